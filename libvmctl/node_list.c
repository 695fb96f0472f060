/* SPDX-License-Identifier: MIT */
/* Changes to the store: see node_list.h. */
#include "libvmctl/node_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4096u
#define FIRST_ROOM 64u

/* Strings never move, so blocks are chained, not grown. */
struct node_block {
    struct node_block *next;
    size_t used;
    size_t size;
    char text[];
};

static char *take(struct node_list *list, size_t size)
{
    struct node_block *block = list->blocks;
    char *taken;

    if (block == NULL || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

        block = malloc(sizeof(*block) + room);
        if (block == NULL) {
            list->failed = true;
            return NULL;
        }
        *block = (struct node_block){ .next = list->blocks, .size = room };
        list->blocks = block;
    }
    taken = block->text + block->used;
    block->used += size;
    return taken;
}

__attribute__((format(printf, 2, 0))) static const char *
format_text(struct node_list *list, const char *format, va_list words, size_t *length)
{
    va_list again;
    char *text;
    int size;

    va_copy(again, words);
    size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = size < 0 ? NULL : take(list, (size_t)size + 1);
    if (text == NULL) {
        list->failed = true;
        return NULL;
    }
    (void)vsnprintf(text, (size_t)size + 1, format, words);
    *length = (size_t)size;
    return text;
}

static const char *join(struct node_list *list, const char *directory, const char *name)
{
    size_t first = strlen(directory);
    size_t second = strlen(name);
    char *path = take(list, first + second + 2);

    if (path != NULL) {
        memcpy(path, directory, first);
        if (second != 0) {
            path[first++] = '/';
        }
        memcpy(path + first, name, second + 1);
    }
    return path;
}

static struct store_change *add(struct node_list *list)
{
    if (list->count == list->room) {
        size_t room = list->room != 0 ? 2 * list->room : FIRST_ROOM;
        struct store_change *grown = realloc(list->changes, room * sizeof(*grown));

        if (grown == NULL) {
            list->failed = true;
            return NULL;
        }
        list->changes = grown;
        list->room = room;
    }
    return &list->changes[list->count++];
}

void node_list_write(struct node_list *list, const char *directory, const char *name,
                     const char *format, ...)
{
    const char *path = join(list, directory, name);
    const char *value;
    size_t length = 0;
    va_list words;

    va_start(words, format);
    value = format_text(list, format, words, &length);
    va_end(words);
    if (path != NULL && value != NULL) {
        struct store_change *change = add(list);

        if (change != NULL) {
            *change = (struct store_change){
                .kind = STORE_CHANGE_WRITE,
                .path = path,
                .value = value,
                .length = length,
            };
        }
    }
}

void node_list_remove(struct node_list *list, const char *format, ...)
{
    const char *path;
    size_t length = 0;
    va_list words;

    va_start(words, format);
    path = format_text(list, format, words, &length);
    va_end(words);
    if (path != NULL) {
        struct store_change *change = add(list);

        if (change != NULL) {
            *change = (struct store_change){ .kind = STORE_CHANGE_REMOVE, .path = path };
        }
    }
}

void node_list_directory(struct node_list *list, const char *path, uint32_t owner, uint32_t reader)
{
    const char *copy = join(list, path, "");
    struct store_permission *who = NULL;
    struct store_change *change;
    char *room = take(list, 2 * sizeof(*who) + sizeof(void *));

    if (copy == NULL || room == NULL) {
        return;
    }
    who = (struct store_permission *)(((uintptr_t)room + sizeof(void *) - 1) &
                                      ~(uintptr_t)(sizeof(void *) - 1));
    who[0] = (struct store_permission){ .domid = owner, .access = STORE_PERM_NONE };
    who[1] = (struct store_permission){ .domid = reader, .access = STORE_PERM_READ };
    change = add(list);
    if (change != NULL) {
        *change = (struct store_change){ .kind = STORE_CHANGE_MKDIR, .path = copy };
    }
    change = add(list);
    if (change != NULL) {
        *change = (struct store_change){
            .kind = STORE_CHANGE_PERMISSIONS,
            .path = copy,
            .permissions = who,
            .permission_count = owner == reader ? 1 : 2,
        };
    }
}

int node_list_send(struct node_list *list, struct store_client *store, uint32_t transaction,
                   struct vmctl_error *error)
{
    int r = 0;

    if (list->failed) {
        r = vmctl_fail(error, -ENOMEM, "no memory for changes to the store");
    } else if (list->count != 0) {
        r = store_write_many(store, transaction, list->changes, list->count, NULL, error);
    }
    node_list_free(list);
    return r;
}

struct commit {
    const struct node_list *list;
    const char *proof; /* if there, says that it has been done already */
    bool again;
};

static int commit(struct store_client *store, uint32_t transaction, void *context,
                  struct vmctl_error *error)
{
    struct commit *commit = context;
    const struct node_list *list = commit->list;
    char *text = NULL;

    if (commit->again && commit->proof != NULL &&
        store_read(store, transaction, commit->proof, &text, NULL, NULL) == 0) {
        free(text);
        return 0;
    }
    commit->again = true;
    if (list->needs != NULL) {
        int r = store_read(store, transaction, list->needs, &text, NULL, error);

        free(text);
        if (r < 0) {
            return r == -ENOENT ? vmctl_fail(error, -ESRCH, "the guest has ended meanwhile") : r;
        }
    }
    return store_write_many(store, transaction, list->changes, list->count, NULL, error);
}

int node_list_commit(struct node_list *list, struct store_client *store, const char *proof,
                     struct vmctl_error *error)
{
    struct commit context = { .list = list, .proof = proof };
    int r = list->failed ? vmctl_fail(error, -ENOMEM, "no memory for changes to the store")
                         : store_transaction_run(store, commit, &context, error);

    node_list_free(list);
    return r;
}

void node_list_free(struct node_list *list)
{
    while (list->blocks != NULL) {
        struct node_block *next = list->blocks->next;

        free(list->blocks);
        list->blocks = next;
    }
    free(list->changes);
    *list = NODE_LIST_EMPTY;
}

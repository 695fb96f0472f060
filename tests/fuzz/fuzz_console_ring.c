/* SPDX-License-Identifier: MIT */
/*
 * A guest that does anything to its console page, step by step, between what
 * the daemon does.  The input is a list of steps: one byte says which, more say
 * how.  Built with --enable-fuzzing this is a libFuzzer target; otherwise
 * replay.c gives it the files of corpus/console_ring.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/console/history.h"
#include "dom0-tools/console/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t next_byte(struct input *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

static uint32_t next_word(struct input *input)
{
    uint32_t word = 0;

    for (unsigned int i = 0; i < 4; i++) {
        word = word << 8 | next_byte(input);
    }
    return word;
}

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void daemon_takes(struct ring *ring, struct history *history)
{
    /* Of its exact size, so that one byte too many is seen. */
    uint8_t *bytes = malloc(RING_OUTPUT);
    uint32_t before = ring->taken;
    uint64_t end = history->end;
    int count;

    require(bytes != NULL);
    count = ring_peek(ring, bytes);
    require(count <= (int)RING_OUTPUT);
    if (count > 0) {
        require(ring->taken == before);
        history_add(history, bytes, (size_t)count);
        require(history->end == end + (uint64_t)count);
        require(history->end - history->first <= HISTORY_LIMIT);
        (void)ring_take(ring, (uint32_t)count);
        require(ring->taken == before + (uint32_t)count);
    }
    require(ring->shared->out_cons == ring->taken || count == 0);
    free(bytes);
}

static void daemon_gives(struct ring *ring, size_t count)
{
    uint8_t *bytes = calloc(1, count + 1);
    uint32_t before = ring->given;
    size_t room = ring_room(ring);
    size_t given;

    require(bytes != NULL && room <= RING_INPUT);
    given = ring_give(ring, bytes, count);
    require(given <= count && given <= RING_INPUT && ring->given == before + (uint32_t)given);
    free(bytes);
}

static void guest_writes(struct xencons_interface *page, struct input *input)
{
    uint32_t count = next_byte(input) * 9u;

    for (uint32_t i = 0; i < count; i++) {
        page->out[MASK_XENCONS_IDX(page->out_prod, page->out)] = (char)next_byte(input);
        page->out_prod++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };
    struct xencons_interface *page = calloc(1, sizeof(*page));
    struct history history;
    struct ring ring;

    require(page != NULL && history_open(&history, 0) == 0);
    ring_attach(&ring, page);
    while (input.left > 0) {
        switch (next_byte(&input) % 10) {
        case 0:
            page->out_prod = next_word(&input);
            break;
        case 1:
            page->out_cons = next_word(&input);
            break;
        case 2:
            page->in_cons = next_word(&input);
            break;
        case 3:
            page->in_prod = next_word(&input);
            break;
        case 4:
            guest_writes(page, &input);
            break;
        case 5:
            page->in_cons = page->in_prod;
            break;
        case 6:
            daemon_gives(&ring, next_byte(&input) * 10u);
            break;
        case 7:
            ring_attach(&ring, page); /* the daemon was killed and is back */
            break;
        case 8:
            (void)ring_resume(&ring, next_word(&input));
            break;
        default:
            daemon_takes(&ring, &history);
            break;
        }
    }
    daemon_takes(&ring, &history);
    history_close(&history);
    free(page);
    return 0;
}

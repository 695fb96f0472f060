/* SPDX-License-Identifier: MIT */
/*
 * Prints sizes, offsets and numbers of the guest ABI, a line each: compiled once
 * with our headers and, with ABI_XEN, once with Xen's.  The two cannot meet in
 * one program, as they define the same names; compare.py compares the output.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef ABI_XEN
#include "tests/abi/headers_xen.h"
#else
#include "tests/abi/headers_ours.h"
#endif

#define SIZE(type) printf("size %s %zu\n", #type, sizeof(type));
#define FIELD(type, field)                                                     \
    printf("field %s.%s %zu size %zu\n", #type, #field, offsetof(type, field), \
           sizeof(((type *)NULL)->field));
#define FLEX(type, field)                                                    \
    printf("field %s.%s %zu of %zu\n", #type, #field, offsetof(type, field), \
           sizeof(((type *)NULL)->field[0]));
#define NUMBER(...)            printf("number %s %lld\n", #__VA_ARGS__, (long long)(__VA_ARGS__));
#define TEXT(name)             printf("text %s \"%s\"\n", #name, name);
#define BIT(type, field, mask) PRINT_BIT(type, field, mask)

#ifdef ABI_XEN
/* Where a compiler puts a bit-field is found out by setting it. */
#define PRINT_BIT(type, field, mask)                     \
    do {                                                 \
        type whole;                                      \
        uint32_t word;                                   \
                                                         \
        memset(&whole, 0, sizeof(whole));                \
        whole.field = 1;                                 \
        memcpy(&word, &whole, sizeof(word));             \
        printf("bit %s.%s 0x%x\n", #type, #field, word); \
    } while (0);
#else
#define PRINT_BIT(type, field, mask) printf("bit %s.%s 0x%x\n", #type, #field, mask);
#endif

int main(void)
{
#include "tests/abi/layout_list.h"
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* Descriptions of guests, as users of the library see them. */
#include "libvmctl/guest_config.h"

int vmctl_config_read(const char *path, struct guest_config **config, struct vmctl_error *error)
{
    return guest_config_load(path, NULL, config, error);
}

int vmctl_config_parse(const char *xml, size_t length, const char *name,
                       struct guest_config **config, struct vmctl_error *error)
{
    return guest_config_parse(xml, length, name, NULL, config, error);
}

int vmctl_config_write(const struct guest_config *config, char **xml, struct vmctl_error *error)
{
    size_t length = 0;

    return guest_config_write(config, xml, &length, error);
}

const char *vmctl_config_name(const struct guest_config *config)
{
    return config->name;
}

void vmctl_config_free(struct guest_config *config)
{
    guest_config_free(config);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ioctl ABI of /dev/crypto: arguments are fetched, checked in the order of the original, and answered. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define PAGE ((uint64_t)4096)

/* ---- the caller's memory ---- */

/* Out of what an address space can hold; the last page never belongs to anybody.  A length has 32 bits. */
static bool wraps(uint64_t uaddr, size_t len)
{
    return uaddr > UINT64_MAX - PAGE - len;
}

int devcrypto_fetch(const struct devcrypto_mem *mem, void *dst, uint64_t uaddr, size_t len)
{
    if (len == 0)
        return 0;
    return uaddr == 0 || wraps(uaddr, len) ? -EFAULT : mem->copy_in(mem->opaque, dst, uaddr, len);
}

int devcrypto_store(const struct devcrypto_mem *mem, uint64_t uaddr, const void *src, size_t len)
{
    if (len == 0)
        return 0;
    return uaddr == 0 || wraps(uaddr, len) ? -EFAULT : mem->copy_out(mem->opaque, uaddr, src, len);
}

int devcrypto_probe(const struct devcrypto_mem *mem, uint64_t uaddr, size_t len, bool writable)
{
    uint64_t at = uaddr;
    int err = 0;

    if (len == 0)
        return 0;
    if (uaddr == 0 || wraps(uaddr, len))
        return -EFAULT;
    if (mem->copy_in == devcrypto_self_in)
        return devcrypto_self_probe(mem->opaque, uaddr, len, writable);
    for (; at < uaddr + len && err == 0; at = (at | (PAGE - 1)) + 1) {
        uint8_t value;

        err = devcrypto_fetch(mem, &value, at, 1);
        if (err == 0 && writable)
            err = devcrypto_store(mem, at, &value, 1);
    }
    return err;
}

/* ---- sessions ---- */

static int ioctl_gsession(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct devcrypto_session_op sop;
    uint8_t key[DEVCRYPTO_MAX_KEY];
    uint8_t mackey[DEVCRYPTO_MAX_MACKEY];
    int err = devcrypto_fetch(mem, &sop, arg, sizeof(sop));

    if (err == 0)
        err = devcrypto_check_algorithms(sop.cipher, sop.mac);
    if (err != 0)
        return err;
    if (sop.cipher != 0) {
        if (sop.keylen > sizeof(key))
            return -EINVAL;
        err = devcrypto_fetch(mem, key, sop.key, sop.keylen);
        if (err == 0)
            err = devcrypto_check_keylen(sop.cipher, sop.keylen);
    }
    if (err == 0 && sop.mac != 0) {
        if (sop.mackeylen > sizeof(mackey))
            err = -EINVAL;
        else if (devcrypto_takes_mac(sop.cipher) && devcrypto_mac_takes_key(sop.mac))
            err = devcrypto_fetch(mem, mackey, sop.mackey, sop.mackeylen);
    }
    if (err == 0)
        err = devcrypto_session_create(f, sop.cipher, key, sop.keylen, sop.mac, mackey, sop.mackeylen, &sop.ses);
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(mackey, sizeof(mackey));
    if (err == 0) {
        err = devcrypto_store(mem, arg, &sop, sizeof(sop));
        if (err != 0)
            devcrypto_session_free(f, sop.ses); /* nobody would ever learn its id */
    }
    return err;
}

static int ioctl_fsession(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    uint32_t ses;
    int err = devcrypto_fetch(mem, &ses, arg, sizeof(ses));

    return err != 0 ? err : devcrypto_session_free(f, ses);
}

static int ioctl_copy(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct devcrypto_copy_op cop;
    int err = devcrypto_fetch(mem, &cop, arg, sizeof(cop));

    return err != 0 ? err : devcrypto_hash_copy(f, cop.dst_ses, cop.src_ses);
}

/* The kernel's name, and whose work it is in the manner of the kernel's drivers: cbc-aes-libcrypto. */
static void tell_names(struct devcrypto_names *names, const char *name)
{
    static const char suffix[] = "-libcrypto";
    size_t used = 0;

    memcpy(names->name, name, strlen(name) + 1);
    for (const char *c = name; *c != '\0'; c++)
        if (*c != ')')
            names->driver[used++] = *c == '(' ? '-' : *c;
    memcpy(names->driver + used, suffix, sizeof(suffix));
}

/* What is not there keeps what the caller had put in its place, as in the kernel. */
static int ioctl_info(struct devcrypto_file *f, uint64_t arg, const struct devcrypto_mem *mem)
{
    struct devcrypto_info_op info;
    struct devcrypto_session *s;
    int err = devcrypto_fetch(mem, &info, arg, sizeof(info));

    if (err != 0)
        return err;
    s = devcrypto_session_get(f, info.ses);
    if (s == NULL)
        return -EINVAL;
    if (s->cipher != NULL)
        tell_names(&info.cipher, s->cipher->name);
    if (s->hash != NULL)
        tell_names(&info.hash, s->hash->name);
    info.alignmask = 0;
    info.flags = 0; /* no driver of the kernel's alone */
    devcrypto_session_put(s);
    return devcrypto_store(mem, arg, &info, sizeof(info));
}

/* ---- all of them ---- */

int devcrypto_ioctl(struct devcrypto_file *f, unsigned long cmd, uint64_t arg, const struct devcrypto_mem *mem)
{
    static const uint32_t no_asymmetric_features;
    pid_t pid;
    const struct devcrypto_mem self = {
        .opaque = &pid, .copy_in = devcrypto_self_in, .copy_out = devcrypto_self_out};

    if (mem == NULL) {
        pid = getpid();
        mem = &self;
    }
    switch ((uint32_t)cmd) { /* the kernel looks at 32 bits too */
    case DEVCRYPTO_CIOCGSESSION:
        return ioctl_gsession(f, arg, mem);
    case DEVCRYPTO_CIOCFSESSION:
        return ioctl_fsession(f, arg, mem);
    case DEVCRYPTO_CIOCCRYPT:
        return devcrypto_ioctl_crypt(f, arg, mem);
    case DEVCRYPTO_CIOCAUTHCRYPT:
        return devcrypto_ioctl_authcrypt(f, arg, mem);
    case DEVCRYPTO_CIOCCPHASH:
        return ioctl_copy(f, arg, mem);
    case DEVCRYPTO_CIOCGSESSINFO:
        return ioctl_info(f, arg, mem);
    case DEVCRYPTO_CIOCASYMFEAT:
        return devcrypto_store(mem, arg, &no_asymmetric_features, sizeof(no_asymmetric_features));
    default:
        return -EINVAL;
    }
}

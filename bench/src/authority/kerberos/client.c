/* Exchanges with a KDC through libkrb5, one after the other: what `kinit -k` and whoever calls a service do, without a process for each.
 *
 *     client KEYTAB SERVICE USER...
 *
 * Reads lines `as MILLISECONDS` and `tgs MILLISECONDS`, and answers each with `EXCHANGES MICROSECONDS`. */
#include <krb5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct user {
    krb5_principal principal;
    krb5_ccache tickets; /* NULL before the first `tgs` */
};

static krb5_context context;
static krb5_keytab keytab;
static krb5_principal service;

static void check(krb5_error_code code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, krb5_get_error_message(context, code));
    exit(1);
}

static long long microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* A copy in memory: the file would be read for each exchange. */
static void load(const char *file, struct user *users, int count)
{
    krb5_keytab from;
    krb5_keytab_entry entry;
    check(krb5_kt_resolve(context, file, &from), "opening the keytab");
    check(krb5_kt_resolve(context, "MEMORY:users", &keytab), "making a keytab");
    for (int i = 0; i < count; i++) {
        check(krb5_kt_get_entry(context, from, users[i].principal, 0, 0, &entry), "finding a user's key");
        check(krb5_kt_add_entry(context, keytab, &entry), "keeping a user's key");
        krb5_free_keytab_entry_contents(context, &entry);
    }
    krb5_kt_close(context, from);
}

/* AS: a ticket-granting ticket, by the user's key. */
static void authenticate(const struct user *user, krb5_creds *ticket)
{
    check(krb5_get_init_creds_keytab(context, ticket, user->principal, keytab, 0, NULL, NULL), "AS exchange");
}

/* TGS: a ticket for the service, by the ticket-granting ticket. Not kept, so that the next one is asked for as well. */
static void ask(const struct user *user)
{
    krb5_creds wanted, *ticket;
    memset(&wanted, 0, sizeof wanted);
    wanted.client = user->principal;
    wanted.server = service;
    check(krb5_get_credentials(context, KRB5_GC_NO_STORE, user->tickets, &wanted, &ticket), "TGS exchange");
    krb5_free_creds(context, ticket);
}

static void prepare(struct user *user)
{
    krb5_creds ticket;
    if (user->tickets != NULL)
        return;
    authenticate(user, &ticket);
    check(krb5_cc_new_unique(context, "MEMORY", NULL, &user->tickets), "making a cache");
    check(krb5_cc_initialize(context, user->tickets, user->principal), "making a cache");
    check(krb5_cc_store_cred(context, user->tickets, &ticket), "keeping a ticket");
    krb5_free_cred_contents(context, &ticket);
}

static long run(int is_tgs, long long until, const struct user *users, int count)
{
    krb5_creds ticket;
    long exchanges = 0;
    do {
        const struct user *user = &users[exchanges % count];
        if (is_tgs) {
            ask(user);
        } else {
            authenticate(user, &ticket);
            krb5_free_cred_contents(context, &ticket);
        }
        exchanges++;
    } while (microseconds() < until);
    return exchanges;
}

int main(int argc, char **argv)
{
    char kind[4];
    long milliseconds;
    int count = argc - 3;
    if (count < 1) {
        fprintf(stderr, "client KEYTAB SERVICE USER...\n");
        return 64;
    }
    struct user *users = calloc(count, sizeof *users);
    if (users == NULL)
        return 1;
    check(krb5_init_context(&context), "reading krb5.conf");
    check(krb5_parse_name(context, argv[2], &service), "the service's name");
    for (int i = 0; i < count; i++)
        check(krb5_parse_name(context, argv[i + 3], &users[i].principal), "a user's name");
    load(argv[1], users, count);
    while (scanf("%3s %ld", kind, &milliseconds) == 2) {
        int is_tgs = strcmp(kind, "tgs") == 0;
        for (int i = 0; is_tgs && i < count; i++)
            prepare(&users[i]);
        long long began = microseconds();
        long exchanges = run(is_tgs, began + milliseconds * 1000, users, count);
        printf("%ld %lld\n", exchanges, microseconds() - began);
        fflush(stdout);
    }
    return 0;
}

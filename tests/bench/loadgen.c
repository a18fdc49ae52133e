/* Load for any server that speaks Phoenix V2 over websockets. One thread, epoll, no dependencies.
 *
 *   cc -O2 -o loadgen loadgen.c
 *   ./loadgen MODE PORT PATH SERVER_PID [name=value ...]
 *
 *   MODE fanout: every client joins the topic; `pubs` of them shout in turn so that `window`
 *                shouts are under way; each shout comes back to every client.
 *   MODE ping:   every client keeps one request under way; with beat=1 it is the heartbeat of
 *                phoenix.js, which any server of channels answers, and nothing is joined.
 *   MODE idle:   connect and join only.
 *   MODE mixed:  client i joins topic i % topics, and on each topic one client shouts `rate` times
 *                a second whatever comes back; times are of every delivery.
 *   names: clients=1000 window=8 pubs=1 bytes=200 warm_ms=500 run_ms=3000 topics=1 rate=25
 *          pause_ms=0 (between the end of one shout and the next)
 *          port2, server2: a second node, which has every other client of each topic
 *          token=WORD (sent as phoenix.js does)  dialect=1 (speak socket.io instead)
 *
 * Prints one JSON object; "load_idle" is the share of the time in which this program had nothing
 * to do. Times are in ms. "complete" is from a shout to the last client's having
 * read it. CPU seconds are the server's own, from /proc.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SHOUTS = 1 << 16, SAMPLES = 1 << 20, CHUNK = 1 << 18, IN_FLIGHT = 200 };
enum State { CONNECTING, UPGRADING, JOINING, JOINED, GONE };

typedef struct {
    int fd;
    enum State state;
    char *kept; /* the beginning of a frame whose end has not come yet */
    size_t kept_length;
} Client;

static const char *mode, *path, *token = "";
static long port, server, port2, server2, topics = 1, rate = 25, pause_ms, dialect, beat;
static long clients = 1000, window = 8, pubs = 1, payload_bytes = 200, warm_ms = 500, run_ms = 3000;
static Client *all;
static int poller;
static long joined, gone;
static char padding[65536];

static int measuring;
static uint64_t idle_ns; /* spent in looking and finding nothing */
static uint64_t last_done, sent_shouts, done_shouts, deliveries, reads;
static uint64_t started_at[SHOUTS];
static long received_by[SHOUTS];
static double samples[SAMPLES];
static size_t sample_count;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sample(uint64_t since) {
    if (measuring && sample_count < SAMPLES)
        samples[sample_count++] = (double)(now_ns() - since) / 1e6;
}

/* --- what the server costs --- */

static double cpu_of(long pid) {
    char name[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(name, sizeof name, "/proc/%ld/stat", pid);
    FILE *file = fopen(name, "r");
    if (!file) return 0;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = 0;
    char *rest = strrchr(line, ')'); /* the name before it may hold anything */
    if (rest)
        sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double server_cpu(void) { return cpu_of(server) + (server2 ? cpu_of(server2) : 0); }

static double server_kib(void) {
    char name[64];
    long pages = 0;
    snprintf(name, sizeof name, "/proc/%ld/statm", server);
    FILE *file = fopen(name, "r");
    if (!file) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* --- sending --- */

static void send_all(Client *client, const char *data, size_t length) {
    while (length) {
        ssize_t sent = send(client->fd, data, length, MSG_NOSIGNAL);
        if (sent > 0) data += sent, length -= (size_t)sent;
        else if (errno != EAGAIN && errno != EINTR) return; /* its end will be read */
    }
}

static void send_text(Client *client, const char *text, size_t length) {
    static char framed[70016];
    static const unsigned char mask[4] = {0x5a, 0x17, 0xc3, 0x88};
    size_t head = 2;
    framed[0] = (char)0x81;
    if (length < 126) framed[1] = (char)(0x80 | length);
    else {
        framed[1] = (char)(0x80 | 126), framed[2] = (char)(length >> 8), framed[3] = (char)length;
        head = 4;
    }
    memcpy(framed + head, mask, 4);
    head += 4;
    for (size_t i = 0; i < length; i++) framed[head + i] = (char)(text[i] ^ mask[i & 3]);
    send_all(client, framed, head + length);
}

static int is_mode(char letter) { return mode[0] == letter; }

static long topic_of(const Client *client) { return (client - all) % topics + 1; }

/* The payload tells which shout it is, or when the request went out: {"n":NUMBER,"p":"xxx…"} */
static void say(Client *client, const char *event, uint64_t number) {
    static char text[70000];
    int pad = payload_bytes > 40 ? (int)payload_bytes - 40 : 0;
    int n = dialect
                ? snprintf(text, sizeof text, "42%s[\"%s\",{\"n\":%020llu,\"p\":\"%.*s\"}]",
                           event[0] == 'p' ? "7" : "", event, (unsigned long long)number, pad, padding)
                : snprintf(text, sizeof text,
                           "[\"1\",\"2\",\"bench:%ld\",\"%s\",{\"n\":%020llu,\"p\":\"%.*s\"}]",
                           topic_of(client), event, (unsigned long long)number, pad, padding);
    if (beat) /* its answer holds nothing of ours but the ref, which tells when it went out */
        n = snprintf(text, sizeof text, "[\"1\",\"%020llu\",\"phoenix\",\"heartbeat\",{}]",
                     (unsigned long long)number);
    text[n] = 0;
    /* JSON knows no leading zeros: the number is written as a one and 19 digits. */
    char *digits = beat ? strstr(text, ",\"") + 2 : strstr(text, "\"n\":") + 4;
    digits[0] = '1';
    send_text(client, text, (size_t)n);
}

static void shout(void) {
    uint64_t number = sent_shouts++;
    started_at[number % SHOUTS] = now_ns();
    received_by[number % SHOUTS] = 0;
    say(&all[number % (uint64_t)(is_mode('m') ? topics : pubs)], "shout", number);
}

/* --- receiving --- */

static uint64_t number_in(const char *text, size_t length, int *found) {
    const char *at = beat ? memmem(text, length, ",\"1", 3) : memmem(text, length, "\"n\":1", 5);
    if (beat && at) at -= 2; /* so that the digits begin five on, as there */
    *found = at && at + 24 <= text + length;
    uint64_t number = 0;
    if (*found)
        for (int i = 0; i < 19; i++) number = number * 10 + (uint64_t)(at[5 + i] - '0');
    return number;
}

static void on_text(Client *client, const char *text, size_t length) {
    if (client->state == JOINING) {
        if (dialect && length >= 2 && !memcmp(text, "40", 2)) {
            static const char join[] = "421[\"join\",\"bench:1\"]";
            send_text(client, join, sizeof join - 1);
        } else if (memmem(text, length, "\"ok\"", 4)) client->state = JOINED, joined++;
        return;
    }
    int found;
    uint64_t number = number_in(text, length, &found);
    if (!found) return;
    if (measuring) deliveries++;
    if (is_mode('m')) {
        sample(started_at[number % SHOUTS]);
    } else if (is_mode('p')) {
        sample(number);
        say(client, "ping", now_ns());
    } else if (++received_by[number % SHOUTS] == clients) {
        done_shouts++, last_done = now_ns();
        sample(started_at[number % SHOUTS]);
    }
}

static void drop(Client *client) {
    if (client->state == JOINED) joined--;
    client->state = GONE;
    close(client->fd);
    gone++;
}

static size_t on_bytes(Client *client, char *data, size_t length) {
    size_t used = 0;
    if (client->state == UPGRADING) {
        char *end = memmem(data, length, "\r\n\r\n", 4);
        if (!end) return 0;
        if (length < 12 || memcmp(data + 9, "101", 3)) {
            drop(client);
            return length;
        }
        used = (size_t)(end + 4 - data);
        client->state = JOINING;
        char join[80] = "40";
        if (beat) snprintf(join, sizeof join, "[\"1\",\"1\",\"phoenix\",\"heartbeat\",{}]");
        else if (!dialect)
            snprintf(join, sizeof join, "[\"1\",\"1\",\"bench:%ld\",\"phx_join\",{}]", topic_of(client));
        send_text(client, join, strlen(join));
    }
    while (length - used >= 2) {
        unsigned char *at = (unsigned char *)data + used;
        size_t size = at[1] & 127, head = 2;
        if (size == 126) {
            if (length - used < 4) break;
            size = (size_t)at[2] << 8 | at[3], head = 4;
        }
        if (length - used < head + size) break;
        int opcode = at[0] & 15;
        if (opcode == 1) on_text(client, (char *)at + head, size);
        if (opcode == 8) {
            drop(client);
            return length;
        }
        used += head + size;
    }
    return used;
}

static void on_readable(Client *client) {
    static char chunk[CHUNK];
    memcpy(chunk, client->kept, client->kept_length);
    ssize_t got = recv(client->fd, chunk + client->kept_length, CHUNK - client->kept_length, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) drop(client);
        return;
    }
    if (measuring) reads++;
    size_t length = client->kept_length + (size_t)got, used = on_bytes(client, chunk, length);
    client->kept_length = length - used;
    if (client->kept_length) {
        client->kept = realloc(client->kept, client->kept_length);
        memcpy(client->kept, chunk + used, client->kept_length);
    }
}

static void poll_once(int wait_ms) {
    struct epoll_event events[512];
    uint64_t looked = now_ns();
    int ready = epoll_wait(poller, events, 512, wait_ms);
    if (measuring && ready == 0) idle_ns += now_ns() - looked;
    for (int i = 0; i < ready; i++) {
        Client *client = &all[events[i].data.u32];
        if (client->state == CONNECTING) {
            char request[1024];
            int n = snprintf(request, sizeof request,
                             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n", path, port,
                             *token ? "Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx." : "",
                             token, *token ? "\r\n" : "");
            client->state = UPGRADING;
            struct epoll_event event = {.events = EPOLLIN, .data.u32 = events[i].data.u32};
            epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event);
            send_all(client, request, (size_t)n);
        } else if (client->state != GONE) on_readable(client);
    }
}

static void start(long index) {
    struct sockaddr_in there = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)(port2 && index / topics % 2 ? port2 : port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    Client *client = &all[index];
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (client->fd < 0 || (connect(client->fd, (struct sockaddr *)&there, sizeof there) && errno != EINPROGRESS)) {
        perror("loadgen");
        exit(2);
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = (uint32_t)index};
    epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
}

static void run_until(uint64_t end) {
    uint64_t began = now_ns(), every = 1000000000u / (uint64_t)(topics * rate), due = 0;
    while (now_ns() < end && gone == 0) {
        if (is_mode('f') && now_ns() - last_done >= (uint64_t)pause_ms * 1000000u)
            while (sent_shouts - done_shouts < (uint64_t)window) shout();
        if (is_mode('m'))
            for (; began + due * every <= now_ns(); due++) shout();
        poll_once(is_mode('i') ? 1 : 0);
    }
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double quantile(double share) {
    return sample_count ? samples[(size_t)(share * (double)(sample_count - 1))] : 0;
}

static void read_options(int count, char **words) {
    struct {
        const char *name;
        long *value;
    } options[] = {{"clients", &clients}, {"window", &window},   {"pubs", &pubs},
                   {"bytes", &payload_bytes}, {"warm_ms", &warm_ms}, {"run_ms", &run_ms},
                   {"topics", &topics}, {"rate", &rate}, {"port2", &port2},
                   {"server2", &server2}, {"pause_ms", &pause_ms}, {"dialect", &dialect},
                 {"beat", &beat}};
    for (int i = 5; i < count; i++) {
        if (!strncmp(words[i], "token=", 6)) token = words[i] + 6;
        for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
            size_t length = strlen(options[o].name);
            if (!strncmp(words[i], options[o].name, length) && words[i][length] == '=')
                *options[o].value = atol(words[i] + length + 1);
        }
    }
    if (pubs > clients) pubs = clients;
    if (window > SHOUTS / 2) window = SHOUTS / 2;
}

int main(int count, char **words) {
    if (count < 5) return 1;
    mode = words[1], port = atoi(words[2]), path = words[3], server = atoi(words[4]);
    read_options(count, words);
    signal(SIGPIPE, SIG_IGN);
    alarm((unsigned)(60 + (warm_ms + run_ms) / 1000)); /* never outlives its measurement */
    memset(padding, 'x', sizeof padding - 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    all = calloc((size_t)clients, sizeof *all);
    poller = epoll_create1(0);

    double kib = server_kib(), connect_cpu = server_cpu();
    uint64_t began = now_ns();
    for (long started = 0; joined + gone < clients;) {
        while (started < clients && started - joined - gone < IN_FLIGHT) start(started++);
        poll_once(1);
    }
    double connect_s = (double)(now_ns() - began) / 1e9;
    connect_cpu = server_cpu() - connect_cpu;
    for (uint64_t end = now_ns() + 300000000u; now_ns() < end;) poll_once(1);
    kib = server_kib() - kib;

    if (is_mode('p'))
        for (long i = 0; i < clients; i++) say(&all[i], "ping", now_ns());
    run_until(now_ns() + (uint64_t)warm_ms * 1000000u);
    double cpu = server_cpu();
    uint64_t from = now_ns();
    measuring = 1;
    run_until(from + (uint64_t)run_ms * 1000000u);
    measuring = 0;
    double wall = (double)(now_ns() - from) / 1e9;
    cpu = server_cpu() - cpu;
    qsort(samples, sample_count, sizeof *samples, by_size);
    printf("{\"joined\":%ld,\"gone\":%ld,\"connect_s\":%.3f,\"connect_cpu_s\":%.3f,\"kib_each\":%.2f,"
           "\"wall_s\":%.3f,\"cpu_s\":%.3f,\"deliveries\":%llu,\"frames_per_read\":%.2f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"load_idle\":%.2f}\n",
           joined, gone, connect_s, connect_cpu, kib / (double)clients, wall, cpu,
           (unsigned long long)deliveries, reads ? (double)deliveries / (double)reads : 0.0,
           quantile(0.5), quantile(0.99), wall > 0 ? (double)idle_ns / 1e9 / wall : 0.0);
    return gone ? 4 : 0;
}

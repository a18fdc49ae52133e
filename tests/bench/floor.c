/* The floor: a server that speaks just enough Phoenix V2 to be measured against, and does nothing
 * but send. It joins, answers "ping", and sends a "shout" on to everyone on its topic.
 *
 *   cc -O2 -o floor floor.c && ./floor PORT [coalesce]
 *
 * With "coalesce" the shouts of one epoll round are joined per topic before they are sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    char *data;
    size_t length, capacity;
} Bytes;

typedef struct {
    int fd;
    int upgraded;
    Bytes in, out;
} Client;

typedef struct {
    char name[96];
    Client **members;
    size_t count, capacity;
    Bytes pending;
} Topic;

typedef struct {
    const char *at;
    size_t length;
} Piece;

enum { MAX_TOPICS = 4096, BATCH = 512 };

static Topic topics[MAX_TOPICS];
static int topic_count, poller, coalesce;

static void append(Bytes *to, const char *data, size_t length) {
    if (to->length + length > to->capacity) {
        to->capacity = (to->length + length) * 2;
        to->data = realloc(to->data, to->capacity);
    }
    memcpy(to->data + to->length, data, length);
    to->length += length;
}

/* --- the handshake: SHA-1 (RFC 3174) and base64 of the client's key --- */

static uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void sha1_block(uint32_t state[5], const unsigned char *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int t = 0; t < 16; t++) {
        uint32_t big;
        memcpy(&big, block + 4 * t, 4);
        w[t] = ntohl(big);
    }
    for (int t = 16; t < 80; t++) w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t mix, key;
        if (t < 20) mix = (b & c) | (~b & d), key = 0x5A827999u;
        else if (t < 40) mix = b ^ c ^ d, key = 0x6ED9EBA1u;
        else if (t < 60) mix = (b & c) | (b & d) | (c & d), key = 0x8F1BBCDCu;
        else mix = b ^ c ^ d, key = 0xCA62C1D6u;
        uint32_t next = rotate(a, 5) + mix + e + w[t] + key;
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void accept_key(const char *key, size_t length, char out[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char text[128] = {0}, digest[21] = {0};
    uint32_t state[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    size_t total = length + 36;
    memcpy(text, key, length);
    memcpy(text + length, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    text[total] = 0x80;
    text[126] = (unsigned char)(total * 8 >> 8);
    text[127] = (unsigned char)(total * 8);
    sha1_block(state, text); /* a key of 24 and the 36 above always fill two blocks */
    sha1_block(state, text + 64);
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 0, o = 0; i < 21; i += 3) {
        uint32_t three = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 | digest[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) out[o++] = letters[three >> shift & 63];
    }
    out[27] = '=', out[28] = 0;
}

/* --- sending --- */

static void watch(Client *client, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event);
}

static void send_bytes(Client *client, const char *data, size_t length) {
    if (client->out.length == 0) {
        ssize_t sent = send(client->fd, data, length, MSG_NOSIGNAL);
        if (sent == (ssize_t)length) return;
        if (sent < 0 && errno != EAGAIN) return;
        if (sent > 0) data += sent, length -= (size_t)sent;
        watch(client, EPOLLIN | EPOLLOUT);
    }
    append(&client->out, data, length);
}

static void send_rest(Client *client) {
    ssize_t sent = send(client->fd, client->out.data, client->out.length, MSG_NOSIGNAL);
    if (sent <= 0) return;
    client->out.length -= (size_t)sent;
    memmove(client->out.data, client->out.data + sent, client->out.length);
    if (client->out.length == 0) watch(client, EPOLLIN);
}

static size_t frame(char *to, const char *text, size_t length) {
    size_t head = 2;
    to[0] = (char)0x81;
    if (length < 126) {
        to[1] = (char)length;
    } else {
        to[1] = 126, to[2] = (char)(length >> 8), to[3] = (char)length;
        head = 4;
    }
    memcpy(to + head, text, length);
    return head + length;
}

/* --- the protocol --- */

static Topic *topic_of(Piece name) {
    for (int i = 0; i < topic_count; i++)
        if (strlen(topics[i].name) == name.length && !memcmp(topics[i].name, name.at, name.length))
            return &topics[i];
    if (topic_count == MAX_TOPICS || name.length >= sizeof topics[0].name) exit(3);
    Topic *topic = &topics[topic_count++];
    memcpy(topic->name, name.at, name.length);
    return topic;
}

static int is(Piece piece, const char *word) {
    return piece.length == strlen(word) && !memcmp(piece.at, word, piece.length);
}

static void on_text(Client *client, const char *text, size_t length) {
    static char message[70000], framed[70016];
    Piece part[4]; /* join_ref, ref, topic, event: plain strings, as the load generator sends them */
    const char *at = text, *end = text + length;
    for (int i = 0; i < 4; i++) {
        const char *open = memchr(at, '"', (size_t)(end - at));
        const char *close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
        if (!close) return;
        part[i] = (Piece){open + 1, (size_t)(close - open - 1)};
        at = close + 1;
    }
    Piece payload = {at + 1, (size_t)(end - at - 2)};
    if (is(part[3], "shout")) {
        int n = snprintf(message, sizeof message, "[null,null,\"%.*s\",\"shout\",%.*s]",
                         (int)part[2].length, part[2].at, (int)payload.length, payload.at);
        size_t size = frame(framed, message, (size_t)n);
        Topic *topic = topic_of(part[2]);
        if (coalesce) append(&topic->pending, framed, size);
        else
            for (size_t i = 0; i < topic->count; i++) send_bytes(topic->members[i], framed, size);
        return;
    }
    Piece response = is(part[3], "ping") ? payload : (Piece){"{}", 2};
    if (is(part[3], "phx_join")) {
        Topic *topic = topic_of(part[2]);
        if (topic->count == topic->capacity) {
            topic->capacity = topic->capacity * 2 + 64;
            topic->members = realloc(topic->members, topic->capacity * sizeof *topic->members);
        }
        topic->members[topic->count++] = client;
    }
    int n = snprintf(message, sizeof message,
                     "[\"%.*s\",\"%.*s\",\"%.*s\",\"phx_reply\",{\"status\":\"ok\",\"response\":%.*s}]",
                     (int)part[0].length, part[0].at, (int)part[1].length, part[1].at,
                     (int)part[2].length, part[2].at, (int)response.length, response.at);
    send_bytes(client, framed, frame(framed, message, (size_t)n));
}

static size_t upgrade(Client *client) {
    char *end = memmem(client->in.data, client->in.length, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *key = strcasestr(client->in.data, "sec-websocket-key:"), accept[29], answer[256];
    if (!key) exit(4);
    key += 18;
    key += strspn(key, " ");
    accept_key(key, strcspn(key, "\r"), accept);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    send_bytes(client, answer, (size_t)n);
    client->upgraded = 1;
    return (size_t)(end + 4 - client->in.data);
}

static void leave(Client *client) {
    for (int t = 0; t < topic_count; t++)
        for (size_t i = 0; i < topics[t].count; i++)
            if (topics[t].members[i] == client)
                topics[t].members[i--] = topics[t].members[--topics[t].count];
    close(client->fd);
    free(client->in.data);
    free(client->out.data);
    free(client);
}

static void on_readable(Client *client) {
    static char chunk[65536];
    ssize_t got = recv(client->fd, chunk, sizeof chunk, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        leave(client);
        return;
    }
    append(&client->in, chunk, (size_t)got);
    size_t used = client->upgraded ? 0 : upgrade(client);
    while (client->upgraded && client->in.length - used >= 6) {
        unsigned char *at = (unsigned char *)client->in.data + used;
        size_t length = at[1] & 127, head = 6;
        if (length == 126) {
            if (client->in.length - used < 8) break;
            length = (size_t)at[2] << 8 | at[3], head = 8;
        }
        if (client->in.length - used < head + length) break;
        unsigned char *mask = at + head - 4, *text = at + head;
        for (size_t i = 0; i < length; i++) text[i] ^= mask[i & 3];
        if ((at[0] & 15) == 1) on_text(client, (char *)text, length);
        used += head + length;
    }
    client->in.length -= used;
    memmove(client->in.data, client->in.data + used, client->in.length);
}

static void accept_all(int listener) {
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Client *client = calloc(1, sizeof *client);
        client->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **words) {
    if (count < 2) return 1;
    coalesce = count > 2 && !strcmp(words[2], "coalesce");
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(words[1])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) {
        perror("floor");
        return 1;
    }
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[BATCH];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, BATCH, -1);
        for (int i = 0; i < ready; i++) {
            Client *client = events[i].data.ptr;
            if (!client) {
                accept_all(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) send_rest(client);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(client);
        }
        for (int t = 0; coalesce && t < topic_count; t++) {
            Topic *topic = &topics[t];
            if (!topic->pending.length) continue;
            for (size_t i = 0; i < topic->count; i++)
                send_bytes(topic->members[i], topic->pending.data, topic->pending.length);
            topic->pending.length = 0;
        }
    }
}

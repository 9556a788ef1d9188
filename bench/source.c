/* The other side of bench/clients: canned answers of a model, so cheap that they are not what is measured.
 *
 * HTTP/1.1, chunked, keep-alive, any number of connections, one thread, epoll. The request's path says the wire
 * (…/chat/completions or …/messages), its model says what to do:
 *
 *     blast-8000-16384   8000 text deltas as fast as the reader takes them, in HTTP chunks of 16384 bytes
 *                        (0: each event a chunk of its own)
 *     paced-600-800      600 text deltas, each its own chunk and its own send, 800 microseconds after the one before:
 *                        a reader that needs less than that wakes once an event
 *     stall-1-0          the first text delta, and then silence until the reader goes
 *
 * GET /usage says what it has used itself. It prints its port, and ends with its standard input.
 *
 * Built by bench/clients/source.py; bench/clients/plain_source.py is the same in Python, where there is no C compiler.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MAX_FDS = 65536, MAX_REQUEST = 65536 };
enum wire { OPENAI, ANTHROPIC };
enum mode { BLAST, PACED, STALL };

/* bench/clients/answers.py has the same words */
static const char *const words[] = {"the ",  "river ", "runs ",  "past ", "an ",           "old ",
                                    "mill, ", "水 ",    "flows ", "— ",    "“so be it”\\n"};
enum { WORDS = sizeof words / sizeof *words };

/* A whole response, and where each of its HTTP chunks ends; ends[0] is the end of the headers. */
struct answer {
    enum wire wire;
    int usage;
    long events, chunk;
    char *bytes;
    size_t size, room;
    size_t *ends;
    long count, ends_room;
    struct answer *next;
};

struct conn {
    char request[MAX_REQUEST];
    size_t filled;
    const struct answer *answer; /* NULL: it is the reader's turn */
    enum mode mode;
    long pause_us;
    size_t sent;
    long end;  /* index of the chunk up to which may be sent */
    int timer; /* -1: none */
    int waits_to_write;
};

static struct conn *conns[MAX_FDS]; /* by the socket's number, and by its timer's */
static int socket_of[MAX_FDS];      /* a timer's socket; 0: it is no timer */
static struct answer *answers;
static long long events_sent, sends;
static int poller;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *checked(void *memory) {
    if (!memory) die("memory");
    return memory;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void put(struct answer *a, const char *bytes, size_t size) {
    while (a->size + size > a->room) a->bytes = checked(realloc(a->bytes, a->room = a->room * 2 + size));
    memcpy(a->bytes + a->size, bytes, size);
    a->size += size;
}

static void end_chunk(struct answer *a) {
    if (a->count == a->ends_room)
        a->ends = checked(realloc(a->ends, (a->ends_room = a->ends_room * 2 + 64) * sizeof *a->ends));
    a->ends[a->count++] = a->size;
}

static char pending[1 << 21]; /* of the HTTP chunk that is being filled */
static size_t pending_size;

static void flush(struct answer *a) {
    if (!pending_size) return;
    char head[32];
    put(a, head, (size_t)sprintf(head, "%zx\r\n", pending_size));
    put(a, pending, pending_size);
    put(a, "\r\n", 2);
    pending_size = 0;
    end_chunk(a);
}

static void event(struct answer *a, const char *format, ...) {
    va_list values;
    va_start(values, format);
    pending_size += (size_t)vsnprintf(pending + pending_size, sizeof pending - pending_size, format, values);
    va_end(values);
    if ((long)pending_size >= a->chunk || pending_size > sizeof pending / 2) flush(a);
}

#define CHUNK(CHOICES, USAGE)                                                                                          \
    "data: {\"id\":\"chatcmpl-CbENcH4w0rdS0fA\",\"object\":\"chat.completion.chunk\",\"created\":1762000000,"          \
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\","      \
    "\"choices\":[" CHOICES "],\"usage\":" USAGE ",\"obfuscation\":\"kX3v9Q\"}\n\n"
#define CHOICE(DELTA, FINISH) "{\"index\":0,\"delta\":{" DELTA "},\"logprobs\":null,\"finish_reason\":" FINISH "}"

static void openai_chat(struct answer *a) {
    event(a, CHUNK(CHOICE("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null", "null"), "null"));
    for (long i = 0; i < a->events; i++) event(a, CHUNK(CHOICE("\"content\":\"%s\"", "null"), "null"), words[i % WORDS]);
    event(a, CHUNK(CHOICE("", "\"stop\""), "null"));
    if (a->usage)
        event(a, CHUNK("", "{\"prompt_tokens\":9,\"completion_tokens\":%ld,\"total_tokens\":%ld}"), a->events,
              a->events + 9);
    event(a, "data: [DONE]\n\n");
}

static void anthropic(struct answer *a) {
    event(a, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01bench\",\"type\":"
             "\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,"
             "\"stop_sequence\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n");
    event(a, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
             "{\"type\":\"text\",\"text\":\"\"}}\n\n");
    event(a, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
    for (long i = 0; i < a->events; i++)
        event(a, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                 "{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n", words[i % WORDS]);
    event(a, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
    event(a, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
             "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%ld}}\n\n", a->events);
    event(a, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

static const struct answer *answer_for(enum wire wire, int usage, long events, long chunk) {
    struct answer *a;
    for (a = answers; a; a = a->next)
        if (a->wire == wire && a->usage == usage && a->events == events && a->chunk == chunk) return a;
    a = checked(calloc(1, sizeof *a));
    a->wire = wire, a->usage = usage, a->events = events, a->chunk = chunk;
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                               "cache-control: no-cache\r\nx-request-id: req_bench\r\n"
                               "transfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n";
    put(a, head, sizeof head - 1);
    end_chunk(a);
    if (wire == OPENAI) openai_chat(a);
    else anthropic(a);
    flush(a);
    put(a, "0\r\n\r\n", 5);
    a->ends[a->count - 1] = a->size; /* it goes out with the last event */
    a->next = answers;
    return answers = a;
}

/* ---- connections ------------------------------------------------------------------------------------------------ */

static void watch(int fd, int how, unsigned events) {
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, how, fd, &e)) die("epoll_ctl");
}

static void hang_up(int fd) {
    struct conn *c = conns[fd];
    if (c->timer >= 0) {
        socket_of[c->timer] = 0;
        close(c->timer);
    }
    close(fd);
    free(c);
    conns[fd] = NULL;
}

static void pause_then_write(int fd, struct conn *c) {
    if (c->timer < 0) {
        c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (c->timer < 0 || c->timer >= MAX_FDS) die("timerfd");
        socket_of[c->timer] = fd;
        watch(c->timer, EPOLL_CTL_ADD, EPOLLIN);
    }
    struct itimerspec due = {.it_value = {c->pause_us / 1000000, c->pause_us % 1000000 * 1000 + 1}};
    timerfd_settime(c->timer, 0, &due, NULL);
}

/* Send what may be sent now; false: the connection is gone. */
static int advance(int fd, struct conn *c) {
    const struct answer *a = c->answer;
    size_t until = a->ends[c->end];
    while (c->sent < until) {
        ssize_t n = send(fd, a->bytes + c->sent, until - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (!c->waits_to_write) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->waits_to_write = 1;
            return 1;
        }
        if (n < 0) return 0;
        c->sent += (size_t)n;
        sends++;
    }
    if (c->waits_to_write) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    c->waits_to_write = 0;
    if (c->end == a->count - 1) {
        events_sent += a->events;
        c->answer = NULL;
    } else if (c->mode == PACED) {
        c->end++;
        pause_then_write(fd, c);
    }
    return 1;
}

static void refuse(int fd, const char *why) {
    char text[512];
    int size = snprintf(text, sizeof text, "HTTP/1.1 400 Bad Request\r\ncontent-length: %zu\r\n\r\n%s", strlen(why), why);
    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) < 0) perror("send");
}

static void say_usage(int fd) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    long long cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec +
                       used.ru_stime.tv_usec;
    char body[200], text[400];
    int size = snprintf(body, sizeof body, "{\"cpu_us\":%lld,\"events\":%lld,\"sends\":%lld}", cpu_us, events_sent, sends);
    size = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
                    size, body);
    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) < 0) perror("send");
}

/* Answer a request that is there as a whole; false: the connection is of no more use. */
static int answer_request(int fd, struct conn *c, const char *body) {
    if (!strncmp(c->request, "GET /usage", 10)) {
        say_usage(fd);
        return 1;
    }
    char kind[16];
    long events, number;
    const char *model = strstr(body, "\"model\"");
    model = model ? strchr(model + 7, '"') : NULL;
    if (!model || sscanf(model, "\"%15[a-z]-%ld-%ld\"", kind, &events, &number) != 3 || events < 1 || number < 0) {
        refuse(fd, "the model wants to be blast-EVENTS-BYTES, paced-EVENTS-MICROSECONDS or stall-1-0");
        return 0;
    }
    const char *path_end = strstr(c->request, " HTTP/");
    const char *chat = strstr(c->request, "/chat/completions");
    enum wire wire = chat && path_end && chat < path_end ? OPENAI : ANTHROPIC;
    c->mode = !strcmp(kind, "paced") ? PACED : !strcmp(kind, "stall") ? STALL : BLAST;
    c->pause_us = number;
    c->answer = answer_for(wire, strstr(body, "\"include_usage\"") != NULL, events, c->mode == BLAST ? number : 0);
    c->sent = 0;
    /* what comes before the first delta: OpenAI's role; Anthropic's start of message and block, and a ping */
    c->end = c->mode == BLAST ? c->answer->count - 1 : c->mode == PACED ? 0 : wire == OPENAI ? 2 : 4;
    return advance(fd, c);
}

static int readable(int fd, struct conn *c) {
    ssize_t n = recv(fd, c->request + c->filled, sizeof c->request - 1 - c->filled, 0);
    if (n < 0 && errno == EAGAIN) return 1;
    if (n <= 0) return 0;
    c->filled += (size_t)n;
    c->request[c->filled] = 0;
    char *head_end = strstr(c->request, "\r\n\r\n");
    if (!head_end) return c->filled < sizeof c->request - 1;
    const char *length = strcasestr(c->request, "\r\ncontent-length:");
    if (!length && strcasestr(c->request, "\r\ntransfer-encoding:")) {
        refuse(fd, "requests want a content-length");
        return 0;
    }
    size_t want = length && length < head_end ? strtoul(length + 17, NULL, 10) : 0;
    char *body = head_end + 4;
    if (c->filled < (size_t)(body - c->request) + want) return c->filled < sizeof c->request - 1;
    c->filled = 0;
    return answer_request(fd, c, body);
}

static void take_in(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0) return;
        if (fd >= MAX_FDS) die("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        conns[fd] = checked(calloc(1, sizeof *conns[fd]));
        conns[fd]->timer = -1;
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(void) {
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max < MAX_FDS ? files.rlim_max : MAX_FDS;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        die("listen");
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(STDIN_FILENO, EPOLL_CTL_ADD, EPOLLIN | EPOLLHUP);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event happened[256];
        int n = epoll_wait(poller, happened, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = happened[i].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (fd == listener) {
                take_in(listener);
            } else if (socket_of[fd]) {
                long long ticks;
                int to = socket_of[fd];
                if (read(fd, &ticks, sizeof ticks) > 0 && conns[to]->answer && !advance(to, conns[to])) hang_up(to);
            } else if (conns[fd]) {
                int fine = 1;
                if (happened[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) fine = readable(fd, conns[fd]);
                if (fine && happened[i].events & EPOLLOUT && conns[fd]->answer) fine = advance(fd, conns[fd]);
                if (!fine) hang_up(fd);
            }
        }
    }
}

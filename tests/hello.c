/* The smallest web site that a `FROM scratch` image can run: no libc at run time, no files, no arguments needed.
 *
 * hello [TEXT]   serves TEXT (default "hello") over HTTP on 0.0.0.0:$PORT (default 8080), whatever is asked.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int signal_number) {
    (void)signal_number;
    _exit(0); /* process 1 of a container has no default action for SIGTERM */
}

int main(int argc, char **argv) {
    const char *text = argc > 1 ? argv[1] : "hello";
    const char *port = getenv("PORT");
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    char request[4096], answer[4096];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n%s\n",
                          strlen(text) + 1, text);

    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    address.sin_port = htons((unsigned short)atoi(port ? port : "8080"));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (length >= (int)sizeof answer || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, 16)) {
        perror("hello");
        return 1;
    }
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (read(client, request, sizeof request) > 0 && write(client, answer, (size_t)length) < 0) perror("write");
        close(client);
    }
}

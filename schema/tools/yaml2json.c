/* yaml2json - a build tool: reads one YAML document on standard input, writes it as JSON on standard output.
 * Plain scalars become numbers, true, false or null where JSON knows them; everything else is a string.
 * Anchors are refused: the document of the API uses $ref instead. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static void write_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static int is_number(const char *text)
{
    const char *p = text + (*text == '-');
    if (!isdigit((unsigned char)*p) || (*p == '0' && isdigit((unsigned char)p[1])))
        return 0;
    char *end;
    (void)strtod(text, &end);
    return *end == '\0' && !strpbrk(text, "xXnN");
}

static void write_scalar(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    int plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain &&
        (is_number(text) || !strcmp(text, "true") || !strcmp(text, "false") || !strcmp(text, "null")))
        fputs(text, stdout);
    else
        write_string(text);
}

/* One nesting level: in a mapping, odd nodes are keys and even ones values. */
struct level {
    int mapping;
    long n_nodes;
};

static void separate(struct level *top)
{
    if (!top)
        return;
    if (top->mapping && top->n_nodes % 2 == 1)
        putchar(':');
    else if (top->n_nodes > 0)
        putchar(',');
    top->n_nodes++;
}

int main(void)
{
    enum { MAX_DEPTH = 64 };
    struct level levels[MAX_DEPTH];
    int depth = 0, done = 0;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return 1;
    yaml_parser_set_input_file(&parser, stdin);
    while (!done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            fprintf(stderr, "yaml2json: line %zu: %s\n", parser.problem_mark.line + 1, parser.problem);
            return 1;
        }
        struct level *top = depth ? &levels[depth - 1] : NULL;
        switch (event.type) {
        case YAML_SCALAR_EVENT:
            separate(top);
            if (top && top->mapping && top->n_nodes % 2 == 1)
                write_string((const char *)event.data.scalar.value); /* a key is always a string */
            else
                write_scalar(&event);
            break;
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
            separate(top);
            if (depth == MAX_DEPTH)
                return 1;
            levels[depth++] = (struct level){.mapping = event.type == YAML_MAPPING_START_EVENT};
            putchar(event.type == YAML_MAPPING_START_EVENT ? '{' : '[');
            break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
            putchar(event.type == YAML_MAPPING_END_EVENT ? '}' : ']');
            depth--;
            break;
        case YAML_ALIAS_EVENT:
            fprintf(stderr, "yaml2json: line %zu: aliases are not supported, use $ref\n",
                    event.start_mark.line + 1);
            return 1;
        case YAML_STREAM_END_EVENT:
            done = 1;
            break;
        default:
            break;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    putchar('\n');
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}

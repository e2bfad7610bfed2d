/* schema - the contracts that are built into the binary.
 * Each text ends with a zero byte at its _end.
 * Layer: schema
 * Threads: immutable.
 * Memory: the binary's own, read-only. */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

extern const char schema_sql_0001[], schema_sql_0001_end[];
extern const char schema_sql_0002[], schema_sql_0002_end[];
extern const char schema_sql_0003[], schema_sql_0003_end[];
extern const char schema_sql_0004[], schema_sql_0004_end[];
extern const char schema_sql_0005[], schema_sql_0005_end[];
extern const char schema_sql_0006[], schema_sql_0006_end[];
extern const char schema_sql_0007[], schema_sql_0007_end[];
extern const char schema_sql_0008[], schema_sql_0008_end[];
extern const char schema_sql_0009[], schema_sql_0009_end[];
extern const char schema_sql_0010[], schema_sql_0010_end[];
extern const char schema_openapi_json[], schema_openapi_json_end[];

#endif

/* The contracts of schema/ as bytes in the binary; schema/schema.h declares them. Each ends with a zero byte that the
 * _end symbol points at. */
	.section .rodata

	.macro contract name, file
	.global \name
	.global \name\()_end
\name:
	.incbin "\file"
\name\()_end:
	.byte 0
	.endm

	contract schema_sql_0001, "schema/sqlite/0001_initial.sql"
	contract schema_sql_0002, "schema/sqlite/0002_items.sql"
	contract schema_sql_0003, "schema/sqlite/0003_followed.sql"
	contract schema_sql_0004, "schema/sqlite/0004_taken.sql"
	contract schema_sql_0005, "schema/sqlite/0005_nameless.sql"
	contract schema_sql_0006, "schema/sqlite/0006_unfinished.sql"
	contract schema_sql_0007, "schema/sqlite/0007_tasks.sql"
	contract schema_sql_0008, "schema/sqlite/0008_loads.sql"
	contract schema_sql_0009, "schema/sqlite/0009_kinds.sql"
	contract schema_sql_0010, "schema/sqlite/0010_life.sql"
	contract schema_openapi_json, "schema/openapi.json"

/* There is no code here that a branch could enter; without the note of it the linker takes it from the whole program. */
#ifdef __CET__
#include <cet.h>
#endif

	.section .note.GNU-stack,"",@progbits

"""The tables, as migrations that only go forward. The SQL is the same for both databases.

That it can be the same takes three choices: times are whole microseconds (integer division is a
time bucket in both), truth values are 0 and 1, and blobs are BYTEA, which SQLite stores as given.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE requests (
            at BIGINT NOT NULL,
            trace_id TEXT NOT NULL,
            key TEXT NOT NULL,
            team TEXT NOT NULL,
            model_asked TEXT NOT NULL,
            model TEXT NOT NULL,
            provider TEXT NOT NULL,
            route TEXT NOT NULL,
            collection TEXT NOT NULL,
            grounding TEXT NOT NULL,
            cache TEXT NOT NULL,
            stream BIGINT NOT NULL,
            status BIGINT NOT NULL,
            error_code TEXT,
            prompt_tokens BIGINT NOT NULL,
            completion_tokens BIGINT NOT NULL,
            cached_tokens BIGINT NOT NULL,
            reasoning_tokens BIGINT NOT NULL,
            cost_usd DOUBLE PRECISION NOT NULL,
            latency_ms DOUBLE PRECISION NOT NULL,
            latency_step BIGINT NOT NULL,
            ttft_ms DOUBLE PRECISION,
            grounded BIGINT,
            faithfulness DOUBLE PRECISION,
            sources BIGINT NOT NULL,
            question TEXT NOT NULL,
            PRIMARY KEY (at, trace_id)
        )
        """,
        "CREATE INDEX requests_by_trace ON requests (trace_id)",
        # With the cost, so that a month's spending is read from the index alone.
        "CREATE INDEX requests_by_key ON requests (key, at, cost_usd)",
        # Apart from the rows, so that counting a million requests reads none of their prompts.
        """
        CREATE TABLE traces (
            at BIGINT NOT NULL,
            trace_id TEXT NOT NULL,
            body BYTEA NOT NULL,
            PRIMARY KEY (at, trace_id)
        )
        """,
        """
        CREATE TABLE keys (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            team TEXT NOT NULL,
            hash BYTEA NOT NULL UNIQUE,
            admin BIGINT NOT NULL,
            collection TEXT,
            collections TEXT NOT NULL,
            models TEXT NOT NULL,
            requests_per_minute BIGINT,
            tokens_per_minute BIGINT,
            budget_usd DOUBLE PRECISION,
            created_at DOUBLE PRECISION NOT NULL,
            expires_at DOUBLE PRECISION,
            revoked_at DOUBLE PRECISION
        )
        """,
        # How a process learns, for the price of one row, that another has changed a table.
        "CREATE TABLE changes (subject TEXT PRIMARY KEY, version BIGINT NOT NULL)",
        "INSERT INTO changes (subject, version) VALUES ('keys', 0)",
    ),
    (
        "ALTER TABLE requests ADD COLUMN door TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE requests ADD COLUMN degraded TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE requests ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0",
    ),
    (
        # Stored responses: body is the input's items and the response, as JSON.
        """
        CREATE TABLE responses (
            id TEXT PRIMARY KEY,
            team TEXT NOT NULL,
            previous TEXT,
            at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            size BIGINT NOT NULL,
            body BYTEA NOT NULL
        )
        """,
        "CREATE INDEX responses_by_team ON responses (team, at, size)",
        "CREATE INDEX responses_by_expiry ON responses (expires_at)",
    ),
    # A JSON list, as collections and models are.
    ("ALTER TABLE keys ADD COLUMN groups TEXT NOT NULL DEFAULT '[]'",),
    (
        """
        CREATE TABLE files (
            id TEXT PRIMARY KEY,
            team TEXT NOT NULL,
            filename TEXT NOT NULL,
            purpose TEXT NOT NULL,
            size BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT
        )
        """,
        "CREATE INDEX files_by_team ON files (team, created_at)",
        # A store's id is the name of its collection; metadata, chunking and attributes are JSON.
        """
        CREATE TABLE vector_stores (
            id TEXT PRIMARY KEY,
            team TEXT NOT NULL,
            name TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            last_active_at BIGINT NOT NULL,
            description TEXT NOT NULL,
            metadata TEXT NOT NULL,
            chunking TEXT NOT NULL,
            expires_days BIGINT
        )
        """,
        "CREATE INDEX vector_stores_by_team ON vector_stores (team, created_at)",
        """
        CREATE TABLE attached_files (
            store TEXT NOT NULL,
            file TEXT NOT NULL,
            filename TEXT NOT NULL,
            size BIGINT NOT NULL,
            status TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            error TEXT,
            attributes TEXT NOT NULL,
            chunking TEXT NOT NULL,
            batch TEXT,
            PRIMARY KEY (store, file)
        )
        """,
        "CREATE INDEX attached_files_by_status ON attached_files (status)",
        """
        CREATE TABLE file_batches (
            id TEXT PRIMARY KEY,
            store TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            cancelled BIGINT NOT NULL
        )
        """,
    ),
    # Said before the store's collection is dropped: the row goes when that is done.
    ("ALTER TABLE vector_stores ADD COLUMN removing BIGINT NOT NULL DEFAULT 0",),
    ("ALTER TABLE keys ADD COLUMN region TEXT NOT NULL DEFAULT ''",),
    # The prompt's tokens by part, as a JSON object; empty where nothing was counted.
    ("ALTER TABLE requests ADD COLUMN context TEXT NOT NULL DEFAULT ''",),
    # Most requests take part in no experiment.
    (
        "ALTER TABLE requests ADD COLUMN experiment TEXT",
        "ALTER TABLE requests ADD COLUMN unit TEXT",
        "CREATE INDEX requests_by_experiment ON requests (experiment) WHERE experiment IS NOT NULL",
    ),
    # A revision that is removed keeps its row: its number is not given again. Facts and quota are
    # JSON objects.
    (
        """
        CREATE TABLE adapters (
            tenant TEXT NOT NULL,
            name TEXT NOT NULL,
            revision BIGINT NOT NULL,
            provider TEXT NOT NULL,
            source TEXT NOT NULL,
            facts TEXT NOT NULL,
            priority TEXT NOT NULL,
            quota TEXT NOT NULL,
            added_at DOUBLE PRECISION NOT NULL,
            removed_at DOUBLE PRECISION,
            PRIMARY KEY (tenant, name, revision)
        )
        """,
        """
        CREATE TABLE adapter_aliases (
            tenant TEXT NOT NULL,
            name TEXT NOT NULL,
            alias TEXT NOT NULL,
            revision BIGINT NOT NULL,
            previous BIGINT,
            PRIMARY KEY (tenant, name, alias)
        )
        """,
        "INSERT INTO changes (subject, version) VALUES ('adapters', 0)",
    ),
)

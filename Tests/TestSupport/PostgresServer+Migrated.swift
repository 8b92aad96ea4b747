import Foundation
import Synchronization

// A migration costs several times what a copy of its result does. Tests whose subject is not a
// migration get a copy: the first of a server migrates a template, and its schema and roles are
// renamed in each copy.
extension PostgresServer {
    package static func migrator(of database: String) -> String { "\(database)_migrator" }
    package static func writer(of database: String) -> String { "\(database)_writer" }

    /// Makes the roles of a database as in production: a migrator that may make schemas, and a
    /// writer without rights. Roles belong to the cluster, so their names have the database's.
    package func createRoles(of database: String) throws {
        let (migrator, writer) = (Self.migrator(of: database), Self.writer(of: database))
        try psql(
            """
            CREATE ROLE \(migrator) LOGIN PASSWORD '\(Self.password)';
            CREATE ROLE \(writer) LOGIN PASSWORD '\(Self.password)';
            GRANT CREATE ON DATABASE \(database) TO \(migrator)
            """)
    }

    /// Makes a database with its roles which is as if it had been migrated. `migrate` migrates a
    /// template: a database whose schema has the same name, with the roles `migrator(of:)` and
    /// `writer(of:)`.
    package func createMigrated(
        _ database: String, schema: String, timescale: Bool, migrate: (String) throws -> Void
    ) throws {
        // A migration makes the partitions of the coming days.
        let day = Int(Date().timeIntervalSince1970 / 86_400)
        let template = "template_\(timescale ? "timescale" : "plain")_\(day)"
        try templates.withLock { made in
            if made[template] == nil {
                made[template] = Result { try makeTemplate(template, timescale, migrate) }
            }
            try made[template]?.get()
        }
        try createDatabase(database, template: template)
        try createRoles(of: database)
        try psql(Self.rename(template, to: database, schema: schema), database: database)
    }

    private func makeTemplate(
        _ name: String, _ timescale: Bool, _ migrate: (String) throws -> Void
    ) throws {
        try createDatabase(name, timescale: timescale)
        try createRoles(of: name)
        try migrate(name)
        // TimescaleDB's scheduler connects to each database that allows it.
        try psql("ALTER DATABASE \(name) ALLOW_CONNECTIONS false")
        try psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(name)'")
    }

    /// The statements that give a copy its own names, in one transaction. Functions contain the
    /// schema's name as text. The lists of rights and their dependencies are changed where they
    /// are stored, whatever they belong to.
    private static func rename(
        _ template: String, to database: String, schema: String
    ) -> String {
        let (from, to) = (writer(of: template), writer(of: database))
        let rights = [
            ("pg_class", "relacl"), ("pg_proc", "proacl"), ("pg_namespace", "nspacl"),
            ("pg_attribute", "attacl"),
        ].map { table, column in
            """
            UPDATE \(table) SET \(column) =
                replace(\(column)::text, '\(from)=', '\(to)=')::aclitem[]
            WHERE \(column)::text LIKE '%\(from)=%';
            """
        }.joined(separator: "\n")
        return """
            REASSIGN OWNED BY \(migrator(of: template)) TO \(migrator(of: database));
            ALTER SCHEMA \(template) RENAME TO "\(schema)";
            ALTER SCHEMA \(template)_market RENAME TO "\(schema)_market";
            UPDATE pg_proc SET prosrc = replace(prosrc, '\(template)', '\(schema)'),
                proconfig = replace(proconfig::text, '\(template)', '\(schema)')::text[]
            WHERE prosrc LIKE '%\(template)%' OR proconfig::text LIKE '%\(template)%';
            \(rights)
            UPDATE pg_shdepend SET refobjid = '\(to)'::regrole
            WHERE refobjid = '\(from)'::regrole
                AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
    }
}

import TestSupport
import Testing
import YAMLFile

/// The component that has CloudNativePG run the database, in production.
@Suite("Kubernetes: a database by CloudNativePG")
struct DatabaseClusterTests {
    private let rendered: Rendered
    private let cluster: Manifest

    init() throws {
        rendered = try Variant.withDatabase()
        cluster = try #require(rendered.all("Cluster").first)
    }

    /// Those who use the database.
    private static let users = [
        "store-writer", "store-writer-migrate", "tapeline", "cockpit", "actions",
    ]

    @Test("all who use the database ask the primary's Service, and verify its certificate")
    func settings() throws {
        let users = rendered.workloads.filter { Self.users.contains($0.name) }
        #expect(users.count == Self.users.count)
        for user in users {
            let environment = try rendered.environment(of: user)
            #expect(environment["POSTGRES_HOST"] == "\(cluster.name)-rw")
            #expect(environment["POSTGRES_SSLMODE"] == "verify-full")
            let volume = user.pod?["volumes"]?.sequence?.first {
                $0["secret", "secretName"]?.text == "\(cluster.name)-ca"
            }
            // Never the key with which the operator signs.
            let items = volume?["secret", "items"]?.sequence ?? []
            #expect(items.map { $0["key"]?.text } == ["ca.crt"], "\(user)")
            let mount = user.container?["volumeMounts"]?.sequence?.first {
                $0["name"]?.text == volume?["name"]?.text
            }
            let folder = try #require(mount?["mountPath"]?.text)
            #expect(environment["POSTGRES_SSLROOTCERT"] == "\(folder)/ca.crt")
        }
    }

    @Test("writers of a second store have the authority, too, which their settings name")
    func secondStores() throws {
        let rendered = try Variant.withStore("clickhouse", "questdb", byCloudNativePG: true)
        let users = rendered.workloads.filter { $0.name.hasPrefix("store-writer") }
        #expect(users.count == 6)
        for user in users {
            let path = try #require(try rendered.environment(of: user)["POSTGRES_SSLROOTCERT"])
            let folders = (user.container?["volumeMounts"]?.sequence ?? [])
                .compactMap { $0["mountPath"]?.text }
            #expect(folders.contains { path == "\($0)/ca.crt" }, "\(user): \(path)")
        }
    }

    @Test("the tape is purged of what a standby has, and COMMIT waits for one")
    func durability() throws {
        let writer = try #require(rendered.manifest("Deployment", "store-writer"))
        #expect(try rendered.environment(of: writer)["WRITER_PURGE_AFTER"] == "standby")
        let synchronous = try #require(cluster.node["spec", "postgresql", "synchronous"])
        #expect(synchronous["dataDurability"]?.text == "required")
        #expect(synchronous["number"]?.integer == 1)
        #expect(cluster.node["spec", "instances"]?.integer == 3)
    }

    @Test("backups are made of this cluster, into the store to which its WAL goes")
    func backups() throws {
        let plugin = try #require(cluster.node["spec", "plugins"]?.sequence?.first)
        #expect(plugin["isWALArchiver"]?.boolean == true)
        let store = try #require(rendered.all("ObjectStore").first)
        #expect(plugin["parameters", "barmanObjectName"]?.text == store.name)
        let schedule = try #require(rendered.all("ScheduledBackup").first?.node["spec"])
        #expect(schedule["cluster", "name"]?.text == cluster.name)
        #expect(schedule["pluginConfiguration", "name"]?.text == plugin["name"]?.text)
        #expect(schedule["schedule"]?.text?.split(separator: " ").count == 6)
    }

    @Test("its pods are reached by those who use it, the operator and Prometheus, and by no others")
    func network() throws {
        let policy = try #require(rendered.manifest("NetworkPolicy", "database"))
        let labels = ["cnpg.io/cluster": cluster.name]
        #expect(policy.node["spec", "podSelector"]?.selects(labels) == true)
        let rules = try #require(policy.node["spec", "ingress"]?.sequence)
        let peers = rules.flatMap { $0["from"]?.sequence ?? [] }
        #expect(rules.allSatisfy { $0["from"] != nil && $0["ports"] != nil })
        for workload in rendered.workloads {
            let isUser = Self.users.contains(workload.name)
            let isLetIn = peers.contains { $0["podSelector"]?.selects(workload.podLabels) == true }
            #expect(isLetIn == isUser, "\(workload)")
            let out = try #require(rendered.manifest("NetworkPolicy", "to-database-pods"))
            #expect(
                out.node["spec", "podSelector"]?.selects(workload.podLabels) == isUser,
                "\(workload)")
        }
        // What the policies name is found by Prometheus, too.
        let jobs = try #require(try Discovery.file("kubernetes.yml")["scrape_configs"]?.sequence)
        let lookup = jobs.first { $0["job_name"]?.text == "cloudnative-pg" }?[
            "kubernetes_sd_configs"]?.sequence?.first
        let selector = lookup?["selectors"]?.sequence?.first?["label"]?.text
        #expect(selector == "cnpg.io/cluster=\(cluster.name)")
    }

    @Test("its roles and rights are those that deploy/local/database.sql makes")
    func rights() throws {
        let ours = try PostgresServer(), theirs = try PostgresServer()
        try ours.psql(
            file: "\(ServerPrograms.checkout)/deploy/local/database.sql",
            variables: ["migrator_password=a", "writer_password=b", "cockpit_password=b"],
            database: "postgres")
        // What the operator does before the statements.
        let setup = try #require(cluster.node["spec", "bootstrap", "initdb"])
        let owner = try #require(setup["owner"]?.text), name = try #require(setup["database"]?.text)
        try theirs.psql("CREATE ROLE \(owner) LOGIN PASSWORD 'a'")
        try theirs.psql("CREATE DATABASE \(name) OWNER \(owner)")
        for statement in setup["postInitApplicationSQL"]?.list ?? [] {
            try theirs.psql(statement, database: name)
        }
        // And what it does with the roles that it manages.
        for role in cluster.node["spec", "managed", "roles"]?.sequence ?? [] {
            try theirs.psql("ALTER ROLE \(try #require(role["name"]?.text)) PASSWORD 'b'")
        }
        let rights = """
            SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolpassword IS NULL FROM pg_authid
            WHERE rolname LIKE 'tapeline%' ORDER BY 1;
            SELECT roleid::regrole, member::regrole FROM pg_auth_members
            WHERE member::regrole::text LIKE 'tapeline%' ORDER BY 1, 2;
            SELECT setrole::regrole, setconfig FROM pg_db_role_setting ORDER BY 1;
            SELECT datname, datdba::regrole, unnest(datacl)::text FROM pg_database
            WHERE datname = 'tapeline' ORDER BY 3;
            SELECT nspname, unnest(nspacl)::text FROM pg_namespace
            WHERE nspname = 'public' ORDER BY 2;
            SELECT proname, proacl FROM pg_proc WHERE proname LIKE 'pg_%_backend' ORDER BY 1
            """
        let expected = try ours.psql(rights, database: "tapeline")
        #expect(expected.contains("tapeline_writer") && expected.contains("tapeline_cockpit"))
        #expect(try theirs.psql(rights, database: "tapeline") == expected)
    }
}

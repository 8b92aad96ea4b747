import Membership

// The units of the stores: each has a database, its migration, and a writer. A database elsewhere
// is made by its migration.
extension StackPlan {
    var allStores: [GroupName] { [.store] + stores }

    /// Returns what the names of a store's processes, of its database and of its folder end with:
    /// nothing for the usual one, `-b` for `store-b`.
    private static func ending(_ store: GroupName) -> String {
        String(store.text.dropFirst(GroupName.store.text.count))
    }

    static func database(of store: GroupName) -> String { database + ending(store) }

    /// Makes roles, a store's database and the extension. Safe to repeat.
    func databaseJob(_ store: GroupName) -> UnitPlan {
        UnitPlan(
            name: "database\(Self.ending(store))", kind: .job, stage: 2,
            executable: checkout.databaseProgram("psql"),
            arguments: [
                "--no-psqlrc", "--quiet", "--no-password", "--host", StackPlan.loopback,
                "--port", "\(ports[.postgres])", "--username", "postgres",
                "--file", checkout.deploy("local/database.sql"), "postgres",
            ],
            environment: [
                "PGPASSFILE": home.passwordFile, "TAPELINE_DATABASE": Self.database(of: store),
                "TAPELINE_MIGRATOR_PASSWORD": secrets[.postgresMigrator],
                "TAPELINE_WRITER_PASSWORD": secrets[.postgresWriter],
                "TAPELINE_READER_PASSWORD": secrets[.postgresReader],
            ],
            logPath: home.log("database\(Self.ending(store))"))
    }

    func writerService(_ store: GroupName) -> UnitPlan {
        service(
            "store-writer\(Self.ending(store))", "store-writer",
            store == .store ? ports[.writer] : ports[writerOf: store],
            writerEnvironment(of: store).merging(settings.environment(for: .writer)) { $1 }
                .merging(store == .store ? [:] : ["WRITER_HOT_STATE": "false"]) { $1 })
    }

    func migrateJob(_ store: GroupName) -> UnitPlan {
        let secret = home.secret(StackSecrets.Name.postgresMigrator.rawValue)
        return UnitPlan(
            name: "migrate\(Self.ending(store))", kind: .job, stage: 3,
            executable: checkout.program("store-writer"),
            arguments: ["migrate"],
            environment: writerEnvironment(of: store).merging(
                storeURLs[store] != nil
                    ? [:]
                    : [
                        "POSTGRES_MIGRATOR_USER": StackPlan.migrator,
                        "POSTGRES_READER": StackPlan.reader,
                        "POSTGRES_MIGRATOR_PASSWORD_FILE": secret,
                        // The default is relative to the checkout; a person may be in another
                        // folder.
                        "WRITER_MIGRATIONS": checkout.deploy("postgres"),
                    ]
            ) { $1 }.merging(settings.environment(for: .writer)) { $1 },
            startLimit: .seconds(120), logPath: home.log("migrate\(Self.ending(store))"))
    }

    /// The hot state is of the usual store alone.
    func writerEnvironment(of store: GroupName) -> [String: String] {
        let own = store == .store ? [:] : ["STORE_NAME": store.text]
        let database =
            storeURLs[store]?.environment ?? [
                "POSTGRES_HOST": StackPlan.loopback, "POSTGRES_PORT": "\(ports[.postgres])",
                "POSTGRES_DB": Self.database(of: store), "POSTGRES_USER": StackPlan.writer,
                "POSTGRES_PASSWORD_FILE": home.secret(StackSecrets.Name.postgresWriter.rawValue),
                "POSTGRES_SSLMODE": "disable",
            ]
        return nats(StoreRights.user(of: store), file: StackSecrets.name(writerOf: store)).merging(
            [
                "VALKEY_HOST": StackPlan.loopback, "VALKEY_PORT": "\(ports[.valkey])",
                "VALKEY_USER": StackPlan.valkeyWriter,
                "VALKEY_PASSWORD_FILE": home.secret(StackSecrets.Name.valkey.rawValue),
                "WRITER_DEAD_LETTERS": home.deadLetters + Self.ending(store),
            ].merging(own) { $1 }.merging(database) { $1 }
        ) { $1 }
    }
}

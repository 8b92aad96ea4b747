import Membership
import HotState
import MarketModel
import PostgresClient
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import ValkeyClient
import Testing

@testable import StoreWriter

@Suite("The writer's settings")
struct WriterSettingsTests {
    private func settings(_ environment: [String: String]) throws -> WriterSettings {
        WriterSettings(try TestService.configuration(Main.description, environment))
    }

    private func database(_ environment: [String: String]) throws -> PostgresConfiguration {
        PostgresSettings(try TestService.configuration(Main.description, environment)).connection
    }

    @Test("the defaults are what the README says")
    func defaults() throws {
        let settings = try settings([:])
        #expect(settings.partitions == 8)
        #expect(
            settings.partitions(ofThread: 1).map(\.number) == [1, 3, 5, 7])
        #expect(settings.threads == 2 && settings.batches.rows == 5_000)
        #expect(settings.batches.waitNanoseconds == 250_000_000)
        #expect(settings.batches.aim == .frugal)
        #expect(
            settings.queue
                == WorkerQueues.Settings(rows: 40_000, bytes: 8_388_608, overflow: .block)
        )
        #expect(settings.kind.name == "postgres" && settings.store == .store)
        let database = try database([:])
        #expect(database.peer.contains("127.0.0.1"))
        #expect(database.user == "tapeline" && database.database == "market_data")
        #expect(database.applicationName == "store-writer")
        let valkey = settings.hotState?.valkey
        #expect(valkey?.port == 6_379 && valkey?.password == nil)
        #expect(settings.hotState?.symbolsMax == 65_536)
    }

    @Test("every setting arrives, and the namespace is the schema")
    func all() throws {
        let certificates = try Certificates()
        let authority = certificates.certificate("authority")
        let environment = [
            "MDS_NAMESPACE": "desk", "MDS_PARTITIONS": "2", "WRITER_THREADS": "8",
            "WRITER_BATCH_ROWS": "7", "WRITER_BATCH_WAIT": "2s", "WRITER_QUEUE_ROWS": "70",
            "WRITER_QUEUE_BYTES": "1MiB", "WRITER_OVERFLOW": "drop", "POSTGRES_HOST": "db",
            "POSTGRES_PORT": "6000", "POSTGRES_PASSWORD": "secret", "POSTGRES_SSLMODE": "require",
            "POSTGRES_SSLROOTCERT": authority, "VALKEY_USER": "u", "VALKEY_PASSWORD": "p",
            "WRITER_HOT_SYMBOLS": "99", "WRITER_HOT_TTL": "1h", "WRITER_HOT_STALE_AFTER": "7s",
            "WRITER_QUEUE_HIGH": "90",
            "WRITER_QUEUE_LOW": "10", "WRITER_RETRY_MAX": "9s", "WRITER_BREAKER_FAILURES": "3",
            "WRITER_BREAKER_MAX": "2m", "WRITER_LATENCY": "quick",
        ]
        let settings = try settings(environment)
        let database = try database(environment)
        // More threads than partitions would have nothing to do.
        #expect(settings.threads == 2)
        #expect(settings.partitions(ofThread: 1).map(\.number) == [1])
        #expect(settings.batches.rows == 7 && settings.batches.waitNanoseconds == 2_000_000_000)
        #expect(settings.batches.aim == .quick)
        #expect(
            settings.queue
                == WorkerQueues.Settings(
                    rows: 70, bytes: 1_048_576, overflow: .drop,
                    marks: RowMarks(highPercent: 90, lowPercent: 10)))
        #expect(
            settings.attempts
                == StoreAttempts(
                    retryMax: .seconds(9),
                    breaker: CircuitBreaker.Settings(failuresMax: 3, waitMax: .seconds(120))))
        #expect(settings.hotState?.life == .seconds(3_600))
        #expect(settings.hotState?.staleAfter == .seconds(7))
        #expect(database.hosts == [PostgresHost("db", port: 6_000)])
        #expect(database.password == "secret" && database.sslMode == .require)
        #expect(database.rootCertificate == authority)
        #expect(
            database.settings.map(\.0) == [
                "search_path", "work_mem", "temp_buffers",
                "timescaledb.max_tuples_decompressed_per_dml_transaction",
            ])
        #expect(database.settings.map(\.1) == ["desk", "32MB", "16MB", "0"])
        let valkey = settings.hotState?.valkey
        #expect(valkey?.user == "u" && valkey?.password == "p")
        #expect(settings.hotState?.symbolsMax == 99)
    }

    @Test(
        "a store has a name that no other group has", arguments: ["archive", "operator", "store-"])
    func otherName(name: String) throws {
        #expect(try settings(["STORE_NAME": "store-b"]).store.text == "store-b")
        #expect(
            TestService.problems(Main.description, ["STORE_NAME": name])
                == ["STORE_NAME is \(name): a store is called store or store-NAME, of a-z 0-9 -"])
    }

    @Test("a program's own kind of store is named, and only the settings of the named kind count")
    func ownKind() throws {
        struct NoStore: Error {}
        let own = StoreKind(
            name: "own", keys: [ConfigurationKey("OWN_PATH", .text, group: "Own", "Where.")],
            rules: [
                ConfigurationRule {
                    $0.optionalText("OWN_PATH") == nil ? "OWN_PATH is missing" : nil
                }
            ],
            make: { _ in throw NoStore() })
        let kinds = StoreKind.ofThisProgram + [own]
        let description = Main.description(of: kinds)
        func kind(_ environment: [String: String]) throws -> String {
            let found = try TestService.configuration(description, environment)
            return WriterSettings(found, kinds).kind.name
        }
        #expect(try kind([:]) == "postgres")
        #expect(try kind(["STORE_KIND": "own", "OWN_PATH": "/x"]) == "own")
        func needed(_ kind: String, _ word: String) throws -> Bool {
            let keys = ["STORE_KIND": kind, "STORE_NEEDED": word, "OWN_PATH": "/x"]
            return WriterSettings(try TestService.configuration(description, keys), kinds).isNeeded
        }
        #expect(try needed("postgres", "kind") && !needed("own", "kind"))
        #expect(try !needed("postgres", "false") && needed("own", "true"))
        let bad = ["WRITER_COMPRESS_AFTER": "1h"]
        #expect(
            TestService.problems(description, bad.merging(["STORE_KIND": "own"]) { $1 })
                .map { $0.contains("OWN_PATH is missing") } == [true])
        #expect(
            TestService.problems(description, bad)
                .map { $0.contains("WRITER_COMPRESS_AFTER") } == [true])
        #expect(TestService.problems(Main.description, ["STORE_KIND": "own"]).count == 1)
    }

    @Test("the certificates of the database are there, and are used")
    func certificates() throws {
        let certificates = try Certificates()
        let (authority, key) = (
            certificates.certificate("authority"), certificates.key("authority")
        )
        _ = try settings(["POSTGRES_SSLMODE": "verify-full", "POSTGRES_SSLROOTCERT": authority])
        let mistakes: [(mode: String, path: String, words: String)] = [
            ("verify-full", "", "POSTGRES_SSLMODE=verify-full needs POSTGRES_SSLROOTCERT"),
            ("prefer", authority, "POSTGRES_SSLROOTCERT is not looked at with"),
            ("disable", authority, "POSTGRES_SSLROOTCERT is not looked at with"),
            ("verify-full", "/nowhere", "POSTGRES_SSLROOTCERT: /nowhere cannot be opened"),
            ("require", key, "POSTGRES_SSLROOTCERT: \(key) holds no certificate"),
        ]
        for mistake in mistakes {
            let found = TestService.problems(
                Main.description,
                ["POSTGRES_SSLMODE": mistake.mode, "POSTGRES_SSLROOTCERT": mistake.path])
            #expect(found.count == 1 && found[0].hasPrefix(mistake.words), "\(found)")
        }
    }

    @Test("without hot state there is no Valkey")
    func withoutHotState() throws {
        #expect(try settings(["WRITER_HOT_STATE": "false"]).hotState == nil)
    }

    @Test(
        "a value that makes no sense is one sentence that begins with its key",
        arguments: [
            ("WRITER_THREADS", "0"),
            ("WRITER_THREADS", "65"), ("WRITER_BATCH_ROWS", "0"), ("WRITER_BATCH_ROWS", "20001"),
            ("WRITER_QUEUE_ROWS", "0"), ("WRITER_QUEUE_BYTES", "1KiB"),
            ("WRITER_OVERFLOW", "spill"), ("WRITER_LATENCY", "fast"),
            ("WRITER_BATCH_WAIT", "0s"), ("WRITER_BATCH_WAIT", "2m"), ("WRITER_HOT_STATE", "maybe"),
            ("POSTGRES_PORT", "70000"), ("POSTGRES_SSLMODE", "allow"), ("VALKEY_PORT", "0"),
            ("MDS_NAMESPACE", "a-name-of-17-char"), ("WRITER_HOT_SYMBOLS", "0"),
            ("VALKEY_HOST", "rediss://cache:6379"), ("VALKEY_HOST", "valkeys://cache"),
            ("VALKEY_HOST", "redis://cache"), ("WRITER_QUEUE_LOW", "80"),
            ("WRITER_QUEUE_HIGH", "101"), ("WRITER_BREAKER_FAILURES", "0"),
            ("WRITER_BREAKER_MAX", "100ms"), ("WRITER_RETRY_MAX", "61s"), ("WRITER_HOT_TTL", "9s"),
        ])
    func bad(key: String, value: String) {
        let found = TestService.problems(Main.description, [key: value])
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix(key) == true, "\(found)")
    }
}

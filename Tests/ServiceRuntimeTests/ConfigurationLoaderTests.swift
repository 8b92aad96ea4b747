import ServiceRuntime
import Testing

@Suite struct ConfigurationLoaderTests {
    typealias Fixture = ConfigurationFixture

    @Test("defaults hold when nobody says anything, each in its kind")
    func defaults() throws {
        let loaded = try Fixture().configuration()
        #expect(loaded.service == "store-writer")
        #expect(loaded.subcommand == nil)
        #expect(loaded.warnings == [])
        #expect(loaded.text("WRITER_NAME") == "n")
        #expect(loaded.text("WRITER_ID") == "w-1")
        #expect(loaded.integer("WRITER_ROWS") == 200)
        #expect(loaded.real("WRITER_SHARE") == 0.5)
        #expect(loaded.flag("WRITER_DRY") == false)
        #expect(loaded.duration("WRITER_WAIT") == .milliseconds(250))
        #expect(loaded.integer("WRITER_SPOOL") == 64 << 20)
        #expect(loaded.text("WRITER_MODE") == "copy")
        #expect(loaded.list("WRITER_TABLES") == ["bars", "trades"])
        #expect(loaded.optionalText("WRITER_PEER") == nil)
        #expect(loaded.list("NATS_URL") == ["nats://127.0.0.1:4222"])
        #expect(loaded.secret("POSTGRES_PASSWORD") == nil)
    }

    @Test(
        "a flag beats the environment, which beats the file, which beats the default",
        arguments: [
            (flag: "1", environment: "2", file: "3", expected: 1),
            (flag: nil, environment: "2", file: "3", expected: 2),
            (flag: nil, environment: nil, file: "3", expected: 3),
            (flag: nil, environment: nil, file: nil, expected: 200),
            (flag: "1", environment: nil, file: "3", expected: 1),
            // An empty value is treated as not given.
            (flag: "", environment: "2", file: "3", expected: 2),
            (flag: "", environment: "", file: "3", expected: 3),
            (flag: "", environment: "", file: "", expected: 200),
        ] as [(flag: String?, environment: String?, file: String?, expected: Int)])
    func precedence(flag: String?, environment: String?, file: String?, expected: Int) throws {
        var fixture = Fixture(["--config", "f.env"])
        fixture.arguments += flag.map { ["--writer-rows=\($0)"] } ?? []
        fixture.environment["WRITER_ROWS"] = environment
        let line = file.map { "WRITER_ROWS=\($0)\n" } ?? ""
        fixture.files = ["f.env": FileContent(bytes: Array(line.utf8))]
        #expect(try fixture.configuration().integer("WRITER_ROWS") == expected)
    }

    @Test("every problem is reported, in the order of where it is")
    func allProblems() {
        var fixture = Fixture(
            ["--writer-rows", "0", "--writer-wiat=1s", "--config=f.env"],
            environment: ["NATS_URL": "", "WRITER_DRY": "maybe", "NATS_URLS": "x"],
            files: ["f.env": "WRITER_SHARE=2\nWRITER_SHARE=1\nnonsense\nWRTER_MODE=copy\n"])
        #expect(
            fixture.problems() == [
                "--writer-wiat is not known: did you mean --writer-wait?",
                "NATS_URLS (environment) is not known: did you mean NATS_URL?",
                "f.env line 2: WRITER_SHARE is set for the second time, after line 1",
                "f.env line 3: not KEY=value",
                "WRTER_MODE (f.env line 4) is not known: did you mean WRITER_MODE?",
                #"--writer-rows is "0": must be a whole number from 1 to 1000"#,
                #"WRITER_SHARE (f.env line 1) is "2": must be a number from 0.0 to 1.0"#,
                #"WRITER_DRY (environment) is "maybe": must be true or false"#,
                "NATS_URL is not set, and is required: NATS servers",
            ])
        fixture.arguments = ["--config", "missing.env"]
        #expect(
            fixture.problems().contains(
                "missing.env (--config) cannot be opened: No such file or directory (errno 2)"))
    }

    @Test("the refusal counts the problems and names the way to help")
    func refusal() {
        let one = Fixture(["--writer-rows=x"]).decide()
        guard case .refuse(let text) = one else {
            Issue.record("\(one)")
            return
        }
        #expect(
            text.hasSuffix(
                "store-writer: 1 problem: nothing was started, see store-writer --help\n"))
    }

    @Test("a key of another service is no mistake in environment and file, but is one as a flag")
    func keysOfOthers() throws {
        var fixture = Fixture(
            ["--config", "f.env"],
            environment: ["GATEWAY_SOURCE": "x", "VALKEY_PASSWORD_FILE": "/y"],
            files: ["f.env": "SYNTHETIC_RATE=5\n"])
        _ = try fixture.configuration()
        fixture.arguments += ["--gateway-source", "x"]
        #expect(
            fixture.problems()
                == ["--gateway-source is a setting of another service, not of store-writer"])
    }

    @Test(
        "variables that are not for us are left alone",
        arguments: [
            ["PATH": "/bin"], ["HOME": ""], ["NOT OURS": "x"], ["nats_url": "y"],
            ["POSTGRES_HOST_AUTH_METHOD": "trust"], ["NATS_SERVER": "2.12.8"],
            ["NATS_SERVICE_HOST": "10.0.0.1"], ["NATS_SERVICE_PORT_CLIENT": "4222"],
            ["NATS_PORT": "tcp://10.0.0.1:4222"], ["NATS_PORT_4222_TCP": "tcp://10.0.0.1:4222"],
            ["NATS_PORT_4222_TCP_ADDR": "10.0.0.1"], ["VALKEY_SERVICE_PORT": "6379"],
            ["POSTGRES_RW_PORT_5432_TCP_PROTO": "tcp"],
        ])
    func foreign(environment: [String: String]) throws {
        let loaded = try Fixture(environment: environment).configuration()
        #expect(loaded.warnings == [])
    }

    @Test("an address that Kubernetes puts into a setting is left out, with a warning")
    func serviceLink() throws {
        var fixture = Fixture(environment: ["POSTGRES_PORT": "tcp://10.0.0.9:5432"])
        fixture.service = ServiceDescription(
            name: "store-writer", version: "1", summary: "s",
            keys: Fixture.keys.filter { $0.name != "POSTGRES_PASSWORD" }
                + ConfigurationKey.postgres)
        let loaded = try fixture.configuration()
        #expect(loaded.integer("POSTGRES_PORT") == 5_432)
        #expect(loaded.warnings.count == 1)
        #expect(loaded.warnings.first?.hasPrefix("POSTGRES_PORT holds the address") == true)
    }

    @Test(
        "an unknown variable with one of our prefixes is an error with a suggestion",
        arguments: [
            ("NATS_ULR", ": did you mean NATS_URL?"), ("LOG_LEVLE", ": did you mean LOG_LEVEL?"),
            ("WRITER_BATCH_ROW", ": did you mean WRITER_BATCH_ROWS?"),
            ("MDS_COMPLETELY_DIFFERENT", ""),
            ("NATS_URL_FILE", ": only secrets are read from files"),
        ])
    func typos(name: String, suggestion: String) {
        #expect(
            Fixture(environment: [name: "hunter2"]).problems()
                == ["\(name) (environment) is not known\(suggestion)"])
    }

    @Test("a variable that is one letter away from a setting is a warning")
    func nearMiss() throws {
        let loaded = try Fixture(environment: ["WRTER_ROWS": "5", "WROTER_RAWS": "5"])
            .configuration()
        #expect(loaded.warnings == ["WRTER_ROWS (environment) is not known: is it WRITER_ROWS?"])
        #expect(loaded.integer("WRITER_ROWS") == 200)
    }

    @Test("what belongs together, and what a subcommand needs")
    func rules() throws {
        let keys = ConfigurationKey.nats + ConfigurationKey.postgresMigrator
        var fixture = Fixture()
        fixture.service = ServiceDescription(
            name: "store-writer", version: "1", summary: "s", keys: keys,
            rules: [
                .together("NATS_TLS_CERTIFICATE", "NATS_TLS_KEY"),
                .required("POSTGRES_MIGRATOR_PASSWORD", by: "migrate"),
            ], subcommands: [.init("migrate", "m")])
        _ = try fixture.configuration()
        fixture.arguments = ["--nats-tls-key", "k.pem", "migrate"]
        #expect(
            fixture.problems() == [
                "NATS_TLS_CERTIFICATE and NATS_TLS_KEY belong together: only NATS_TLS_KEY is set",
                "migrate needs POSTGRES_MIGRATOR_PASSWORD or POSTGRES_MIGRATOR_PASSWORD_FILE",
            ])
        fixture.arguments += ["--nats-tls-certificate=c.pem"]
        fixture.environment["POSTGRES_MIGRATOR_PASSWORD"] = "x"
        #expect(try fixture.configuration().subcommand == "migrate")
    }

    @Test("the fields for the log hold every value that is set, and no secret")
    func logFields() throws {
        let loaded = try Fixture(environment: ["POSTGRES_PASSWORD": "hunter2"]).configuration()
        let fields = Dictionary(uniqueKeysWithValues: loaded.logFields)
        #expect(fields["config.WRITER_ROWS"] == "200")
        #expect(fields["config.POSTGRES_PASSWORD"] == "<redacted>")
        #expect(fields["config.WRITER_PEER"] == nil)
    }

    @Test(
        "a setting for TLS where there is none is refused with the reason",
        arguments: ["VALKEY_TLS_CA", "IBKR_TLS_CA"])
    func withoutTLS(name: String) {
        let problems = Fixture(environment: [name: "/x"]).problems()
        #expect(problems.count == 1 && problems[0].hasPrefix("\(name) (environment): "))
        #expect(problems[0].hasSuffix("on a private network"), "\(problems)")
    }

    @Test("all names of the catalogue begin with one of its prefixes")
    func catalogue() {
        #expect(KeyCatalogue.product.names.count > 40)
        // OpenTelemetry has more variables than services read.
        #expect(!KeyCatalogue.product.claims("OTEL_BSP_SCHEDULE_DELAY"))
        for name in KeyCatalogue.product.names where !name.hasPrefix("OTEL_") {
            #expect(KeyCatalogue.product.prefixes.contains { name.hasPrefix($0) }, "\(name)")
        }
    }
}

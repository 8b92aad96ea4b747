import Primitives
import ServiceRuntime
import Testing

@Suite struct ConfigurationCommandLineTests {
    typealias Fixture = ConfigurationFixture

    @Test(
        "a flag takes its value behind a space or an equals sign",
        arguments: [
            ["--writer-name", "v"], ["--writer-name=v"], ["migrate", "--writer-name", "v"],
        ])
    func values(arguments: [String]) throws {
        #expect(try Fixture(arguments).configuration().text("WRITER_NAME") == "v")
    }

    @Test("a value may hold an equals sign, begin with a dash, or be empty")
    func oddValues() throws {
        #expect(try Fixture(["--writer-name=a=b"]).configuration().text("WRITER_NAME") == "a=b")
        #expect(try Fixture(["--writer-name", "-5"]).configuration().text("WRITER_NAME") == "-5")
        #expect(try Fixture(["--writer-name=--x"]).configuration().text("WRITER_NAME") == "--x")
        #expect(try Fixture(["--writer-name", ""]).configuration().text("WRITER_NAME") == "n")
    }

    @Test(
        "a flag of a truth value may be bare",
        arguments: [
            (["--writer-dry"], true), (["--writer-dry", "migrate"], true),
            (["--writer-dry", "--writer-rows=5"], true), (["--writer-dry", "false"], false),
            (["--writer-dry", "on"], true), (["--writer-dry=no"], false),
        ])
    func bare(arguments: [String], value: Bool) throws {
        let loaded = Fixture(arguments, environment: ["WRITER_DRY": "\(!value)"])
        #expect(try loaded.configuration().flag("WRITER_DRY") == value)
    }

    @Test(
        "what is wrong with arguments",
        arguments: [
            (["--writer-rows"], "--writer-rows needs a value"),
            (["--writer-rows", "--writer-dry"], "--writer-rows needs a value"),
            (["--config"], "--config needs a value"),
            (["--config="], "--config needs the path of a file"),
            (["--writer-rows=1", "--writer-rows", "2"], "--writer-rows is given twice"),
            (["--nats-ulr=x"], "--nats-ulr is not known: did you mean --nats-url?"),
            (["--chek-config"], "--chek-config is not known: did you mean --check-config?"),
            (["--zzz"], "--zzz is not known: see --help"),
            (["-v"], "-v is not known: see --help"),
            (["--WRITER-ROWS=5"], "--WRITER-ROWS is not known: did you mean --writer-rows?"),
            (["--check-config=yes"], "--check-config takes no value"),
            (["migrat"], "argument 1 is no subcommand: did you mean migrate?"),
            (
                ["--writer-rows", "5", "word"],
                "argument 3 is neither a flag nor a subcommand (migrate)"
            ),
            (["migrate", "migrate"], "both migrate and migrate are asked for"),
            (
                ["--postgres-password", "x"],
                "--postgres-password would show a secret to everybody on this machine: "
                    + "use POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD in the environment"
            ),
        ])
    func wrong(arguments: [String], problem: String) {
        #expect(Fixture(arguments).problems().contains(problem))
    }

    @Test("a switch of a subcommand counts before and behind its name, and nowhere else")
    func subcommandFlags() throws {
        var fixture = Fixture(["migrate", "--dry-run"])
        let runner = ServiceDescription.Subcommand(
            "migrate", "m", flags: [.init("--dry-run", "Change nothing.")])
        fixture.service = ServiceDescription(
            name: "store-writer", version: "1", summary: "s", keys: Fixture.keys,
            subcommands: [runner, .init("other", "o")])
        #expect(try fixture.configuration().subcommandFlags == ["--dry-run"])
        fixture.arguments = ["--dry-run", "migrate"]
        #expect(try fixture.configuration().subcommandFlags == ["--dry-run"])
        fixture.arguments = ["migrate"]
        #expect(try fixture.configuration().subcommandFlags.isEmpty)
        for arguments in [["--dry-run"], ["other", "--dry-run"]] {
            fixture.arguments = arguments
            #expect(fixture.problems() == ["--dry-run belongs to migrate"])
        }
        fixture.arguments = ["migrate", "--dry-run=yes"]
        #expect(fixture.problems() == ["--dry-run takes no value"])
        fixture.arguments = ["migrate", "--dry-rum"]
        #expect(
            fixture.problems() == ["--dry-rum is not known: did you mean --dry-run?"])
    }

    @Test("a service without subcommands says so")
    func noSubcommands() {
        var fixture = Fixture(["run"])
        fixture.service = ServiceDescription(
            name: "store-writer", version: "1", summary: "s", keys: Fixture.keys)
        #expect(fixture.problems() == ["argument 1 is no flag, and there are no subcommands"])
    }

    @Test("--config twice is a problem")
    func twoFiles() {
        let fixture = Fixture(["--config=a", "--config=b"], files: ["a": "", "b": ""])
        #expect(fixture.problems() == ["--config is given twice"])
    }

    @Test("--help and --version answer whatever else is wrong")
    func answers() {
        #expect(Fixture(["--version", "--zzz"]).printed() == "store-writer 1.2.3 (abc12)\n")
        let help = Fixture(["--zzz", "-h", "--version", "--print-config"]).printed()
        #expect(help == Fixture(["--help"]).printed())
        #expect(Fixture(["--version", "--help"]).printed() == help)
    }

    @Test("--help shows every key with its flag and default, groups, examples and exit codes")
    func help() {
        let help = Fixture(["--help"]).printed()
        for key in Fixture.keys {
            #expect(help.contains("(\(key.name)"), "\(key.name)")
            #expect(help.contains(key.help))
            if let value = key.defaultValue { #expect(help.contains("Default: \(value)")) }
        }
        for line in help.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
        #expect(
            help.contains("\nUsage: store-writer [SUBCOMMAND] [--config FILE] [--key value]..."))
        #expect(help.contains("\nPeer:\n  --writer-peer URL   (WRITER_PEER)\n"))
        #expect(help.contains("--postgres-password-file FILE   (POSTGRES_PASSWORD, "))
        #expect(!help.contains("--postgres-password "))
        #expect(help.contains("  --writer-mode copy|insert   (WRITER_MODE)\n"))
        #expect(help.contains("        Rows of a batch. From 1 to 1000. Default: 200\n"))
        #expect(help.contains("waits. From 1ms to 1m. Default: 250ms\n"))
        #expect(help.contains("\nExamples:\n  store-writer migrate\n"))
        for code in ExitCode.ofServices { #expect(help.contains(code.meaning.prefix(60))) }
        #expect(help.contains("  64    the arguments or the configuration are wrong"))
    }

    @Test("--print-config is a file that gives the same configuration, without the secrets")
    func printConfiguration() throws {
        let fixture = Fixture(
            ["--print-config", "--writer-name", "it's $5 \"now\" # \\", "--config=f.env"],
            environment: ["POSTGRES_PASSWORD_FILE": "/p", "WRITER_TABLES": "a, b"],
            files: ["f.env": "WRITER_ROWS=7\n", "/p": "hunter2"])
        let text = fixture.printed()
        #expect(text.contains("\n# f.env line 1\nWRITER_ROWS=7\n"))
        #expect(text.contains("\n# default\nWRITER_MODE=copy\n"))
        #expect(text.contains("\n# environment\nWRITER_TABLES='a, b'\n"))
        #expect(text.contains("\n# flag\nWRITER_NAME="))
        #expect(text.contains("\n# not set\nWRITER_PEER=\n"))
        #expect(
            text.contains(
                "\n# file /p, named by environment\n# POSTGRES_PASSWORD=<redacted>\n"))
        #expect(!text.contains("hunter2"))
        let again = try Fixture(["--config=again"], files: ["again": text]).configuration()
        #expect(again.text("WRITER_NAME") == "it's $5 \"now\" # \\")
        #expect(again.integer("WRITER_ROWS") == 7)
        #expect(again.list("WRITER_TABLES") == ["a", "b"])
        #expect(again.secret("POSTGRES_PASSWORD") == nil)
    }

    @Test("--check-config counts, and passes warnings on")
    func checkConfiguration() {
        let fixture = Fixture(["--check-config"], environment: ["WRTER_ROWS": "1"])
        #expect(
            fixture.printed() == """
                the configuration of store-writer is valid: 14 keys, 1 of them set
                warning: WRTER_ROWS (environment) is not known: is it WRITER_ROWS?

                """)
        #expect(!Fixture(["--check-config", "--writer-rows=x"]).problems().isEmpty)
        #expect(!Fixture(["--print-config", "--writer-rows=x"]).problems().isEmpty)
    }

    @Test("no arguments at all make the parser trap", arguments: 0..<200 as Range<UInt64>)
    func anything(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let words = [
            "", "-", "--", "-h", "=", "--=", "---", "--config", "--config=f", "--help=x", "word",
            "migrate", "--writer-name", "--writer-dry", "false", "--postgres-password", "--é=ü",
            "--postgres-password-file", "--writer-rows=5", "\u{0}", "--nats-url=", "-5",
        ]
        let arguments = (0..<6).map { _ in words.randomElement(using: &random) ?? "" }
        switch Fixture(arguments, files: ["f": "WRITER_ROWS=6"]).decide() {
        case .run(let loaded): #expect([5, 6, 200].contains(loaded.integer("WRITER_ROWS")))
        case .print(let text): #expect(text.hasPrefix("store-writer 1.2.3"))
        case .refuse(let text): #expect(text.split(separator: "\n").count >= 2)
        case .ask(let probe): Issue.record("nobody asked for \(probe)")
        }
    }

    @Test("exit codes are documented, and are those of sysexits where these have one")
    func exitCodes() {
        for code in ExitCode.allCases { #expect(!code.meaning.isEmpty) }
        #expect(ExitCode.usage.rawValue == 64)
        #expect(ExitCode.temporary.rawValue == 75)
    }
}

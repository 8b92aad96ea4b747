import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline up --settings")
struct SettingsFileTests {
    private static let text = """
        # a comment
        GATEWAY_INSTRUMENTS=a.yaml,/b.yaml,lists/c.yaml
        OPERATOR_GRAPH=graph.yaml

        ALPACA_API_KEY_FILE=alpaca.key
        SYNTHETIC_SYMBOLS=AAPL,MSFT
        REPLAY_FILE=
        LOG_LEVEL='debug'

        """

    @Test("paths are relative to the file, and all other values are as written")
    func entries() throws {
        let entries = try SettingsFile.entries(
            of: Array(Self.text.utf8), "desk.env", folder: "/etc/desk")
        #expect(
            entries.map(\.text) == [
                "GATEWAY_INSTRUMENTS=/etc/desk/a.yaml,/b.yaml,/etc/desk/lists/c.yaml",
                "OPERATOR_GRAPH=/etc/desk/graph.yaml",
                "ALPACA_API_KEY_FILE=/etc/desk/alpaca.key", "SYNTHETIC_SYMBOLS=AAPL,MSFT",
                "REPLAY_FILE=", "LOG_LEVEL=debug",
            ])
        #expect(entries.map(\.line) == [2, 3, 5, 6, 7, 8])
    }

    @Test(
        "each key with paths has absolute ones",
        arguments: [
            ("COCKPIT_TLS_CERTIFICATE=a.pem", "COCKPIT_TLS_CERTIFICATE=/x/a.pem"),
            ("COCKPIT_TLS_KEY=a.pem", "COCKPIT_TLS_KEY=/x/a.pem"),
            ("COCKPIT_TOKEN_FILE=token", "COCKPIT_TOKEN_FILE=/x/token"),
            ("COCKPIT_PEOPLE=people", "COCKPIT_PEOPLE=/x/people"),
            ("WRITER_MIGRATIONS=sql", "WRITER_MIGRATIONS=/x/sql"),
            ("REPLAY_FILE=day.rec", "REPLAY_FILE=/x/day.rec"),
            ("BINANCE_TLS_CA=/ca.pem", "BINANCE_TLS_CA=/ca.pem"),
            (
                "COCKPIT_CALENDARS=ibkr=nyse.yaml, s=/n.yaml,t=f/c.yaml",
                "COCKPIT_CALENDARS=ibkr=/x/nyse.yaml, s=/n.yaml,t=/x/f/c.yaml"
            ),
            ("COCKPIT_CALENDARS=nyse.yaml", "COCKPIT_CALENDARS=nyse.yaml"),
            ("COCKPIT_PATH=desk", "COCKPIT_PATH=desk"),
        ])
    func keys(_ setting: String, _ absolute: String) {
        #expect(SettingsFile.absolute(setting, "/x") == absolute)
    }

    @Test("paths after --set are relative to the folder of the command, and stay that")
    func single() throws {
        let options = try UpCommand.parse(
            ["--set", "OPERATOR_GRAPH=my.yaml", "--set", "SYNTHETIC_SYMBOLS=A,B"]
        ).options
        let folder = try #require(FileSystem.resolved("."))
        #expect(options.settings["OPERATOR_GRAPH"] == "\(folder)/my.yaml")
        #expect(options.settings["SYNTHETIC_SYMBOLS"] == "A,B")
    }

    @Test("a file counts where it is given: what comes after it wins, what came before it loses")
    func order() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("LOG_LEVEL=debug\nSYNTHETIC_RATE=5\n", to: "desk.env")
        var options = Stack.UpOptions()
        options.settings = try testSettings(["LOG_LEVEL=debug", "SYNTHETIC_RATE=7"])
        #expect(
            try UpCommand.parse([
                "--set", "LOG_LEVEL=error", "--settings", path, "--set", "SYNTHETIC_RATE=7",
            ]) == UpCommand(options: options))
    }

    @Test(
        "what is wrong is named with the file and the line",
        arguments: [
            ("LOG_LEVEL=debug\nno setting\n", "desk.env line 2: not KEY=value"),
            (
                "POSTGRES_HOST=x\n",
                "desk.env line 1: --set cannot change 'POSTGRES_HOST' of a local stack: it sets "
                    + "that itself"
            ),
            (
                "ALPACA_API_KEY=abc\n",
                "desk.env line 1: ALPACA_API_KEY would show in the list of processes: write it "
                    + "into a file of its own and name that: ALPACA_API_KEY_FILE=…"
            ),
            ("LOG_LEVEL=a b\n", "desk.env line 1: LOG_LEVEL: a value with spaces needs quotes"),
        ])
    func wrong(_ text: String, _ problem: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(text, to: "desk.env")
        let error = #expect(throws: ToolError.self) {
            try Commands.parse(["up", "--settings", path])
        }
        #expect(error?.description == "\(folder.path)/\(problem)")
        #expect(error?.exitCode == .usage)
    }

    @Test("a file that is not there is named")
    func missing() {
        #expect(
            complaint { try Commands.parse(["up", "--settings", "/no/desk.env"]) }
                == "--settings: there is no file '/no/desk.env'")
    }
}

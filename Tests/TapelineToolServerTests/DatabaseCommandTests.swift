import TestSupport
import Testing

@testable import TapelineTool

@Suite("How a person gets at the tables") struct DatabaseCommandTests {
    private func parse(_ words: String...) throws -> DatabaseCommand? {
        guard case .database(let command) = try ToolCommand.parse(words) else { return nil }
        return command
    }

    @Test("our own options come first, the rest is psql's")
    func words() throws {
        #expect(try parse("psql") == DatabaseCommand(form: .psql([])))
        #expect(
            try parse("psql", "--name", "a", "--home", "/b", "-c", "SELECT 1", "--name")
                == DatabaseCommand(
                    target: .init(home: "/b", name: "a"), form: .psql(["-c", "SELECT 1", "--name"]))
        )
        #expect(
            try parse("psql", "--", "--name", "x")
                == DatabaseCommand(form: .psql(["--name", "x"])))
        #expect(
            try parse("url", "--name", "a")
                == DatabaseCommand(
                    target: .init(name: "a"), form: .url(withPassword: false)))
        #expect(
            try parse("env", "--with-password")
                == DatabaseCommand(form: .environment(withPassword: true)))
        #expect(
            try parse("url", "nats", "--with-password")
                == DatabaseCommand(form: .natsURL(withPassword: true)))
        for wrong in [
            ["psql", "--name"], ["url", "--json"], ["url", "valkey"], ["url", "nats", "nats"],
            ["env", "more"], ["env", "nats"],
        ] {
            #expect(throws: ToolError.self) { try ToolCommand.parse(wrong) }
        }
    }

    private let access: ReaderAccess

    init() throws {
        let checkout = Checkout(root: "/a b/it's", programs: "/nowhere")
        access = ReaderAccess(
            port: 5_555, namespace: "md", home: try StackHome(checkout: checkout, name: "x"),
            password: "hunted")
    }

    @Test("the URL has the password only when it is asked for")
    func url() throws {
        let start = "postgresql://tapeline_reader"
        let file = "/a%20b/it%27s/.local/stack/x/secrets/pgpass-reader"
        let options = "options=-csearch_path%3Dmd_market%20-cTimeZone%3DUTC"
        #expect(
            access.url(withPassword: false)
                == "\(start)@127.0.0.1:5555/tapeline?passfile=\(file)&\(options)")
        #expect(
            access.url(withPassword: true)
                == "\(start):hunted@127.0.0.1:5555/tapeline?\(options)")
        let nats = ConsumerAccess(port: 4_444, passwordFile: "/p", password: "secret")
        #expect(nats.url(withPassword: false) == "nats://consumer@127.0.0.1:4444")
        #expect(nats.url(withPassword: true) == "nats://consumer:secret@127.0.0.1:4444")
    }

    @Test("a shell reads the variables as they are")
    func exports() throws {
        for withPassword in [false, true] {
            let script = access.exports(withPassword: withPassword).joined(separator: "\n")
            #expect(script.contains("hunted") == withPassword)
            for (name, value) in access.environment(withPassword: withPassword) {
                #expect(
                    try run("/bin/sh", ["-c", "\(script)\nprintf %s \"$\(name)\""]) == value)
            }
        }
    }
}

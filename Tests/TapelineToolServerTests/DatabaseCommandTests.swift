import TestSupport
import Testing

@testable import TapelineTool

@Suite("How a person gets at the tables") struct DatabaseCommandTests {
    @Test("our own options come first, the rest is psql's")
    func words() throws {
        #expect(try PsqlCommand.parse([]) == PsqlCommand())
        #expect(
            try PsqlCommand.parse(["--name", "a", "--home", "/b", "-c", "SELECT 1", "--name"])
                == PsqlCommand(
                    target: .init(home: "/b", name: "a"), arguments: ["-c", "SELECT 1", "--name"]))
        #expect(
            try PsqlCommand.parse(["--", "--name", "x"]) == PsqlCommand(arguments: ["--name", "x"]))
        #expect(try URLCommand.parse(["--name", "a"]) == URLCommand(target: .init(name: "a")))
        #expect(
            try EnvironmentCommand.parse(["--with-password"])
                == EnvironmentCommand(withPassword: true))
        #expect(
            try URLCommand.parse(["nats", "--with-password"])
                == URLCommand(isOfNats: true, withPassword: true))
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

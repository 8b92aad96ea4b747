import Foundation
import TestSupport
import Testing

/// `deploy/compose/secrets.sh`, in a folder of the test, with a stand-in for Docker.
@Suite("The script that makes passwords")
struct SecretScriptTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("compose")
        try FileManager.default.copyItem(
            atPath: "\(ServerPrograms.checkout)/deploy/compose/secrets.sh",
            toPath: folder.file("secrets.sh"))
        // Notes its arguments and its input. With a file `fails` it fails.
        let stub = try folder.write(
            """
            #!/bin/sh
            here=$(dirname "$0")
            echo "$@" >>"$here/asked"
            [ "$1" != exec ] || cat >>"$here/asked"
            case $* in
                *"ps --services"*) cat "$here/running" 2>/dev/null ;;
                "config --services") cat "$here/services" 2>/dev/null ;;
                *wget*) cat "$here/varz" ;;
                *valkey-cli) cat "$here/answer" ;;
                *"echo no") if [ -e "$here/unread" ]; then echo no; else echo yes; fi ;;
            esac
            [ ! -e "$here/fails" ]

            """, to: "compose")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: stub)
    }

    @discardableResult
    private func script(_ arguments: String...) throws -> String {
        try run(
            "/bin/sh", [folder.file("secrets.sh")] + arguments,
            environment: [
                "COMPOSE": folder.file("compose"), "PATH": "/usr/bin:/bin", "SUDO_USER": "ada",
                "SECRETS_PAUSE": "0",
            ])
    }

    private func secret(_ name: String) throws -> String {
        try String(contentsOfFile: folder.file("secrets/\(name)"), encoding: .utf8)
    }

    /// Returns what the stand-in was asked since the last call.
    private func asked() throws -> String {
        let path = folder.file("asked")
        guard FileManager.default.fileExists(atPath: path) else { return "" }
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    private func inode(_ name: String) throws -> Int? {
        let facts = try FileManager.default.attributesOfItem(
            atPath: folder.file("secrets/\(name)"))
        return (facts[.systemFileNumber] as? NSNumber)?.intValue
    }

    @Test("a password is changed in the file that containers see, and where it counts")
    func rotates() throws {
        try script()
        for (name, words) in [
            ("nats-writer", "ps "), ("nats-consumer", "ps "), ("nats-cluster", "ps "),
            ("nats-writer-clickhouse", "ps "),
            ("clickhouse", "ps "), ("questdb", "ps "),
            ("postgres-writer", "ALTER ROLE tapeline_writer PASSWORD"),
            ("postgres-owner", "ALTER ROLE postgres PASSWORD"),
            ("postgres-cockpit", "ALTER ROLE tapeline_cockpit PASSWORD"),
            ("valkey", "ps "), ("valkey-reader", "ps "),
            ("grafana-admin", "exec -T grafana grafana cli admin reset-admin-password"),
            ("cockpit-token", ""), ("actions-key", ""),
        ] {
            let (old, place) = (try secret(name), try inode(name))
            #expect(try script("--rotate", name) == "deploy/compose/secrets/\(name) is new")
            let new = try secret(name)
            #expect(new != old && new.utf8.count == old.utf8.count && new.hasPrefix("p"))
            #expect(try inode(name) == place, "\(name): a container would keep the old file")
            let said = try asked()
            let isAsked = words.isEmpty ? said.isEmpty : said.contains(words)
            #expect(isAsked, "\(name): \(said)")
            if name.hasPrefix("postgres") {
                // On the standard input, not among the arguments.
                let lines = said.split(separator: "\n")
                #expect(lines.count == 2 && lines[1].contains(new) && !lines[0].contains(new))
            }
            let next = folder.file("secrets/person/\(name).next")
            #expect(!FileManager.default.fileExists(atPath: next))
        }
        // A later run keeps them.
        let kept = try secret("nats-writer")
        try script()
        #expect(try secret("nats-writer") == kept)
    }

    @Test("it ends when NATS has read its configuration, and says when it did not")
    func taken() throws {
        try script()
        try folder.write("nats\ntimescaledb\nnats-1\n", to: "running")
        func load(_ time: String) throws {
            try folder.write("{\n  \"config_load_time\": \"\(time)\",\n}\n", to: "varz")
        }
        try load("2020-01-01T00:00:00.5Z")
        let error = #expect(throws: ProgramFailure.self) {
            try script("--rotate", "nats-writer")
        }
        #expect(error?.message.contains("nats has not taken it within 30 s") == true)
        let next = try secret("person/nats-writer.next")
        #expect(try secret("nats-writer") == next)
        try load("2999-01-01T00:00:00.5Z")
        let said = try script("--rotate", "nats-writer")
        #expect(said.contains("nats has taken it\nnats-1 has taken it"), "\(said)")
        #expect(said.hasSuffix("deploy/compose/secrets/nats-writer is new"))
        #expect(try secret("nats-writer") == next)
        let asked = try asked()
        #expect(asked.contains("nats-1 wget") && asked.contains("http://nats-monitor-1:8222/varz"))
        #expect(!asked.contains(next) && !asked.contains("timescaledb wget"))
    }

    @Test(
        "a server of NATS without the file is not waited for",
        arguments: ["nats-cluster", "nats-writer-clickhouse"])
    func unread(name: String) throws {
        try script()
        try folder.write("nats\n", to: "running")
        try folder.write("{\n  \"config_load_time\": \"2020-01-01T00:00:00.5Z\",\n}\n", to: "varz")
        try folder.write("", to: "unread")
        let said = try script("--rotate", name)
        #expect(said == "deploy/compose/secrets/\(name) is new")
        try FileManager.default.removeItem(atPath: folder.file("unread"))
        let error = #expect(throws: ProgramFailure.self) { try script("--rotate", name) }
        #expect(error?.message.contains("nats has not taken it within 30 s") == true)
    }

    @Test("of another store the server is restarted, in the cluster that the environment names")
    func stores() throws {
        try script()
        try folder.write("nats\ntimescaledb\n", to: "running")
        #expect(try script("--rotate", "questdb") == "deploy/compose/secrets/questdb is new")
        #expect(try !asked().contains("restart"))
        try folder.write("nats\nquestdb\nstore-writer-questdb\n", to: "running")
        try script("--rotate", "questdb")
        let last = try asked().split(separator: "\n").last.map(String.init)
        #expect(
            last == "-f docker-compose.yml -f deploy/compose/questdb.yml restart questdb")
        try folder.write("nats\nquestdb\n", to: "services")
        try script("--rotate", "questdb")
        #expect(try asked().hasSuffix("\nrestart questdb\n"))
    }

    @Test("it ends when Valkey takes the password, and says when it does not")
    func valkey() throws {
        try script()
        try folder.write("nats\nvalkey\n", to: "running")
        for (name, user) in [("valkey", "writer"), ("valkey-reader", "reader")] {
            try folder.write("WRONGPASS invalid username-password pair\n", to: "answer")
            let error = #expect(throws: ProgramFailure.self) { try script("--rotate", name) }
            #expect(error?.message.contains("valkey has not taken it within 30 s") == true)
            let next = try secret("person/\(name).next")
            #expect(try secret(name) == next)
            _ = try asked()
            try folder.write("OK\n", to: "answer")
            let said = try script("--rotate", name)
            #expect(said == "valkey has taken it\ndeploy/compose/secrets/\(name) is new")
            #expect(try secret(name) == next)
            // On the standard input, not among the arguments.
            let lines = try asked().split(separator: "\n")
            #expect(lines.last == "AUTH \(user) \(next)", "\(lines)")
            #expect(!lines.dropLast().contains { $0.contains(next) })
        }
    }

    @Test("a person's own token is changed with its line, and lines of others stay")
    func people() throws {
        try script()
        let path = folder.file("secrets/cockpit-people")
        let other = "bob:\(String(repeating: "a", count: 64))\n"
        let (first, place) = (try secret("cockpit-people"), try inode("cockpit-people"))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try (other + first).write(toFile: path, atomically: false, encoding: .utf8)
        let old = try secret("person/cockpit-token")
        try script("--rotate", "cockpit-people")
        let new = try secret("person/cockpit-token")
        #expect(new != old && new.utf8.count == old.utf8.count)
        #expect(try inode("cockpit-people") == place)
        let line = try secret("cockpit-people")
        #expect(line.hasPrefix(other + "ada:") && line.utf8.count == (other + first).utf8.count)
        #expect(!line.hasSuffix(first))
        // The script itself knows the digest: it makes no other line.
        try script()
        #expect(try secret("cockpit-people") == line)
    }

    @Test("what a server did not take is in no file, and the next run goes on with it")
    func interrupted() throws {
        try script()
        let old = try secret("postgres-writer")
        try folder.write("", to: "fails")
        #expect(throws: ProgramFailure.self) { try script("--rotate", "postgres-writer") }
        #expect(try secret("postgres-writer") == old)
        let meant = try secret("person/postgres-writer.next")
        try FileManager.default.removeItem(atPath: folder.file("fails"))
        try script("--rotate", "postgres-writer")
        #expect(try secret("postgres-writer") == meant)
    }

    @Test("a shorter or longer password of one's own is replaced whole")
    func lengths() throws {
        try script()
        for own in ["p", "p" + String(repeating: "x", count: 200)] {
            let path = folder.file("secrets/nats-tool")
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            try own.write(toFile: path, atomically: false, encoding: .utf8)
            try script("--rotate", "nats-tool")
            #expect(try secret("nats-tool").utf8.count == 49)
        }
    }

    @Test("what it cannot change is refused in one line, and nothing changes")
    func refuses() throws {
        try script()
        for words in [
            ["--rotate"], ["--rotate", "nothing"], ["--rotate", "tls-nats-key"], ["x"],
        ] {
            let error = #expect(throws: ProgramFailure.self) {
                try run(
                    "/bin/sh", [folder.file("secrets.sh")] + words,
                    environment: ["PATH": "/usr/bin:/bin", "COMPOSE": folder.file("compose")])
            }
            let lines = error?.message.split(separator: "\n") ?? []
            #expect(lines.count == 1 && lines[0].hasPrefix("secrets.sh: "), "\(words): \(lines)")
        }
        #expect(try asked().isEmpty)
    }
}

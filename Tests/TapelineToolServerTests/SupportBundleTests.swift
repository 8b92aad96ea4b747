import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline support-bundle") struct SupportBundleTests {
    private func clean(_ text: String, _ known: String...) -> String {
        String(decoding: SecretFilter(known).cleaned(Array(text.utf8)), as: UTF8.self)
    }

    @Test(
        "a secret is known by its value, or by its place",
        arguments: [
            ("a hunted b", "a [secret] b"), ("ahuntedhuntedb", "a[secret][secret]b"),
            ("hunt", "hunt"), ("100%25%20off", "[secret]"),
            (#"say "\"quo\\te""#, "say \"[secret]\""),
            ("nats://user:pw@host:4222", "nats://[secret]@host:4222"),
            ("nats://token@a,tls://b:c@d", "nats://[secret]@a,tls://[secret]@d"),
            ("http://host/a@b", "http://host/a@b"),
            ("POSTGRES_PASSWORD=xyzzy other=1", "POSTGRES_PASSWORD=[secret] other=1"),
            ("POSTGRES_PASSWORD_FILE=/run/secrets/x", "POSTGRES_PASSWORD_FILE=/run/secrets/x"),
            (#"{"password": "a\"b", "c": 1}"#, #"{"password": "[secret]", "c": 1}"#),
            ("Api_Token: 'abc'", "Api_Token: '[secret]'"), ("password=", "password="),
            ("password=hunted", "password=[secret]"),
            ("check user and password", "check user and password"),
            (
                "a\n-----BEGIN PRIVATE KEY-----\nMII\nE=\n-----END PRIVATE KEY-----\nb",
                "a\n[secret]\n[secret]\nb"
            ),
            ("", ""), ("\n", "\n"),
            ("api_key=a b", "api_key=[secret] b"), ("X-API-Key: a", "X-API-Key: [secret]"),
            ("aws_access_key_id = a", "aws_access_key_id = [secret]"),
            ("access-key: a", "access-key: [secret]"), ("PRIVATE_KEY=a", "PRIVATE_KEY=[secret]"),
            ("passphrase 'a' Passphrase: 'b c'", "passphrase 'a' Passphrase: '[secret]'"),
            ("AWS_CREDENTIAL=a", "AWS_CREDENTIAL=[secret]"),
            ("Authorization: Bearer a b\nc", "Authorization: [secret]\nc"),
            ("Authorization: hunted b", "Authorization: [secret]"),
            (#"{"authorization": "Basic a", "c": 1}"#, #"{"authorization": "[secret]", "c": 1}"#),
            ("MII\nE=\n-----END PRIVATE KEY-----\nb", "[secret]\nb"),
            (
                "-----END PRIVATE KEY----------BEGIN PRIVATE KEY-----\nMII\n"
                    + "-----END PRIVATE KEY-----\nb", "[secret]\n[secret]\nb"
            ),
        ] as [(String, String)])
    func filter(text: String, wanted: String) {
        let known = ["hunted", "100% off", #""quo\te"#]
        #expect(
            String(decoding: SecretFilter(known).cleaned(Array(text.utf8)), as: UTF8.self)
                == wanted)
    }

    @Test("no cut and no damage to a text brings a known secret back, from seeds")
    func property() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            func word(_ count: Int) -> String {
                String((0..<count).map { _ in "ab:=@/\" \\%".randomElement(using: &random) ?? "a" })
            }
            let secret = word(3 + Int.random(in: 0..<4, using: &random))
            var text = word(40)
            for _ in 0..<5 {
                let place = text.indices.randomElement(using: &random) ?? text.startIndex
                text.insert(contentsOf: secret, at: place)
            }
            let found = clean(text, secret)
            #expect(!found.contains(secret), "seed \(seed): \(secret) in \(found)")
        }
    }

    @Test("an archive is what tar reads, each file whole; a bundle has its limits")
    func archive() throws {
        var bundle = SupportBundle(SecretFilter([]), bytesMax: 3 << 20)
        let odd = [UInt8](repeating: 65, count: 700)
        bundle.add("a/b c\u{e9}.txt", odd, "odd name")
        bundle.add("empty", [], "nothing")
        let long = Array("first".utf8) + [UInt8](repeating: 66, count: SupportBundle.fileBytesMax)
        bundle.add("long.log", long, "a log", keepsEnd: true)
        bundle.add("long.txt", long, "a text")
        for _ in 0..<2 { bundle.add("more", long, "too much") }
        #expect(bundle.bytes <= 3 << 20)
        #expect(bundle.absent.contains { $0.hasPrefix("more: the bundle has 3 MiB") })
        #expect(bundle.contents.contains { $0.contains("(5 B more were left out)") })
        let folder = try TemporaryFolder("tar")
        try Data(bundle.archive(folder: "x", at: Timestamp(nanoseconds: 1_700_000_000_000_000_000)))
            .write(to: URL(fileURLWithPath: folder.file("a.tar")))
        try run("/bin/tar", ["-xf", folder.file("a.tar"), "-C", folder.path])
        let content = FileManager.default.contents(atPath: folder.file("x/a/b_c__.txt"))
        #expect(content == Data(odd))
        #expect(FileManager.default.contents(atPath: folder.file("x/empty")) == Data())
        let log = FileManager.default.contents(atPath: folder.file("x/long.log"))
        #expect(log == Data(long.suffix(SupportBundle.fileBytesMax)))
        #expect(
            try run("/usr/bin/stat", ["-c", "%a %Y", folder.file("x/empty")])
                == "600 1700000000")
    }

    @Test(
        "the folder of an archive is plain and short, whatever the file is called",
        arguments: [
            ("out", "out"), ("", "bundle"), ("..", "bundle"), ("-a/b", "a_b"),
            ("a\u{e9}", "a__"),
            (String(repeating: "\u{e9}", count: 30), "______________________________"),
            (String(repeating: "a", count: 200), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ] as [(String, String)])
    func folder(name: String, wanted: String) {
        #expect(SupportBundle.safeFolder(name) == wanted)
        var bundle = SupportBundle(SecretFilter([]))
        bundle.add(String(repeating: "\u{1f469}\u{200d}\u{1f680}", count: 40), [1], "long name")
        #expect(bundle.archive(folder: name, at: Timestamp(nanoseconds: 0)).count % 512 == 0)
    }

    @Test(
        "of a text that was cut the first line is dropped",
        arguments: [
            ("alf\nb\nc", "b\nc"), ("\nb", "b"), ("no end", ""), ("", ""),
        ])
    func firstLine(text: String, wanted: String) {
        let found = SecretFilter.withoutFirstLine(Array(text.utf8))
        #expect(String(decoding: found, as: UTF8.self) == wanted)
    }

    @Test("options") func words() throws {
        let now = try #require(ISOTime.parse("2026-11-20T14:30:05.5Z"))
        #expect(
            try BundleCommand.parse([], now: now)
                == BundleCommand(output: "tapeline-support-20261120T143005.tar.gz"))
    }

    /// A page that says too much, as that of a service with a mistake would.
    private static let page = """
        import http.server, os
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"ready":true,"x":"in-file plain-word",'
                    b'"password":"never-seen-before","url":"nats://u:by-place@h"}')
            def log_message(self, *arguments): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_port, flush=True)
        server.serve_forever()
        """

    @Test("secrets in the shell, in files, in URLs and in a service's pages are not inside")
    func planted() throws {
        let folder = try TemporaryFolder("planted")
        let service = try ServerProcess(
            "/usr/bin/python3", [try folder.write(Self.page, to: "page.py")],
            logPath: folder.file("port"))
        #expect(eventually { service.log.contains("\n") })
        let port = service.log.trimmingCharacters(in: .whitespacesAndNewlines)
        let nats = try NatsServer()
        let secrets = [
            "plain-word", "in-file", "url-word", "never-seen-before", "by-place", "of-nobody",
        ]
        let environment = [
            "NATS_URL": "nats://\(nats.address)", "NATS_USER": "u",
            "NATS_PASSWORD": "plain-word",
            "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "\(freePort())",
            "POSTGRES_PASSWORD_FILE": try folder.write("in-file\n", to: "secret"),
            "NATS_MONITOR_URL": "http://127.0.0.1:\(freePort())", "MY_TOKEN": "of-nobody",
            "HTTP_PROXY": "http://me:url-word@proxy", "VALKEY_PASSWORD": "plain-word",
        ]
        let output = folder.file("out.tar.gz")
        let tool = try ProductPrograms.path("tapeline")
        let said = try run(
            tool, ["support-bundle", "-o", output, "--service", "127.0.0.1:\(port)"],
            environment: environment)
        #expect(said.hasPrefix("FILE"), "\(said)")
        try run("/bin/tar", ["-xzf", output, "-C", folder.path])
        let found = try run("/bin/sh", ["-c", "cat $(find \"$0\" -type f)", folder.file("out")])
        for secret in secrets {
            #expect(!found.contains(secret), "\(secret)")
            #expect(!said.contains(secret), "\(secret)")
        }
        for inside in [
            "# this shell", "NATS_PASSWORD=[secret]", "POSTGRES_PASSWORD_FILE=", "NOT IN ORDER",
            "\"ready\":true", "nats://[secret]@h", "Linux version",
        ] {
            #expect(found.contains(inside), "\(inside)")
        }
        let list = try run("/bin/tar", ["-tzf", output]).split(separator: "\n")
        #expect(list.first == "out/CONTENTS.txt" && list.contains("out/doctor.json"))
        #expect(try run("/usr/bin/stat", ["-c", "%a", output]) == "600")
        let again = #expect(throws: ProgramFailure.self) {
            try run(tool, ["support-bundle", "-o", output], environment: environment)
        }
        #expect(again?.message.contains("is there already") == true)
        #expect(FileSystem.names(in: folder.path).allSatisfy { !$0.hasSuffix(".new") })
        service.stop()
    }
}

import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@Suite struct ConfigurationSecretTests {
    typealias Fixture = ConfigurationFixture

    @Test(
        "the file's text without its last newline is the secret",
        arguments: [
            ("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"),
            (" spaces stay ", " spaces stay "), ("$`\"'#\\", "$`\"'#\\"),
        ])
    func file(content: String, secret: String) throws {
        let loaded = try Fixture(
            environment: ["POSTGRES_PASSWORD_FILE": "/run/secrets/p"],
            files: ["/run/secrets/p": content]
        ).configuration()
        #expect(loaded.secret("POSTGRES_PASSWORD")?.revealed == secret)
        #expect(loaded.warnings == [])
    }

    @Test(
        "a secret comes from environment, file of settings, or a file that either or a flag names")
    func ways() throws {
        let files = ["f.env": "POSTGRES_PASSWORD='in the file'", "/p": "one", "./q": "two"]
        func secret(_ arguments: [String], _ environment: [String: String]) throws -> String? {
            try Fixture(arguments, environment: environment, files: files).configuration()
                .secret("POSTGRES_PASSWORD")?.revealed
        }
        #expect(try secret([], ["POSTGRES_PASSWORD": "direct"]) == "direct")
        #expect(try secret(["--config=f.env"], [:]) == "in the file")
        #expect(try secret(["--config=f.env"], ["POSTGRES_PASSWORD_FILE": "/p"]) == "one")
        let environment = ["POSTGRES_PASSWORD": "direct"]
        #expect(try secret(["--postgres-password-file", "./q"], environment) == "two")
    }

    @Test("a secret file that gives nothing is a problem that names the key")
    func unusable() {
        var fixture = Fixture(environment: ["POSTGRES_PASSWORD_FILE": "/run/secrets/p"])
        func problem(_ bytes: [UInt8]?) -> [String] {
            fixture.files["/run/secrets/p"] = bytes.map { FileContent(bytes: $0) }
            return fixture.problems()
        }
        let name = "POSTGRES_PASSWORD_FILE (environment): /run/secrets/p"
        #expect(problem(nil) == ["\(name) cannot be opened: No such file or directory (errno 2)"])
        #expect(problem([]) == ["\(name) is empty"])
        #expect(problem([10]) == ["\(name) is empty"])
        #expect(problem([0xff, 0xfe]) == ["\(name) is not a text in UTF-8"])
        let expected = "must be one line of text without control characters"
        let source = "POSTGRES_PASSWORD (file /run/secrets/p, named by environment)"
        #expect(problem(Array("a\nb".utf8)) == ["\(source) \(expected)"])
        #expect(problem(Array("a\n\n".utf8)) == ["\(source) \(expected)"])
        #expect(
            problem(Array(repeating: 120, count: 8_193)) == ["\(name) is larger than 8192 bytes"])
    }

    @Test("a secret and its file in the same place contradict each other")
    func both() {
        let fixture = Fixture(
            environment: ["POSTGRES_PASSWORD": "hunter2", "POSTGRES_PASSWORD_FILE": "/p"])
        #expect(
            fixture.problems() == [
                "POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE (environment) are both set: keep one"
            ])
    }

    @Test(
        "a file with a secret that others can read or change is a warning",
        arguments: [
            (0o600, false), (0o640, false), (0o400, false), (0o440, false), (0o700, false),
            (0o644, true), (0o660, true), (0o604, true), (0o650, true), (0o777, true),
        ] as [(UInt32, Bool)])
    func modes(mode: UInt32, isLoose: Bool) throws {
        let named = try Fixture(
            environment: ["POSTGRES_PASSWORD_FILE": "/p"], files: ["/p": "x"], mode: mode
        ).configuration()
        let digits = "0" + String(mode, radix: 8)
        let end = "holds a secret and has mode \(digits): make it 0640 or stricter"
        #expect(named.warnings == (isLoose ? ["/p \(end)"] : []))
        let settings = try Fixture(
            ["--config=f"], files: ["f": "POSTGRES_PASSWORD=x"], mode: mode
        ).configuration()
        #expect(settings.warnings == (isLoose ? ["f \(end)"] : []))
        let harmless = Fixture(["--config=f"], files: ["f": "WRITER_NAME=x"], mode: mode)
        #expect(try harmless.configuration().warnings == [])
    }

    @Test(
        "no way of giving a secret wrongly brings it into a message",
        arguments: [
            Fixture(["--postgres-password", "hunter2"]),
            Fixture(["--postgres-password=hunter2"]),
            Fixture(["--postgres-password", "--hunter2"]),
            Fixture(["--postgres-pasword", "hunter2"]),
            Fixture(["--postgres-pasword=hunter2"]),
            Fixture(["-p", "hunter2"]), Fixture(["hunter2"]), Fixture(["migrate", "hunter2"]),
            Fixture(environment: ["POSTGRES_PASSWORD": "hunter2\u{1}"]),
            Fixture(environment: ["POSTGRES_PASSWORD_FILE": "hunter2"]),
            Fixture(environment: ["POSTGRES_PASWORD": "hunter2"]),
            Fixture(environment: ["NATS_URL": "nats://me:hunter2@host:4222"]),
            Fixture(environment: ["WRITER_PEER": "http://me:hunter2@host"]),
            Fixture(environment: ["NATS_URL": "me:hunter2@host"]),
            Fixture(["--config=f"], files: ["f": "POSTGRES_PASSWORD=hunter2 x"]),
            Fixture(["--config=f"], files: ["f": "POSTGRES_PASSWORD='hunter2"]),
            Fixture(["--config=f"], files: ["f": "POSTGRES_PASSWORD:hunter2"]),
            Fixture(["--config=f"], files: ["f": "POSTGRES PASSWORD=hunter2"]),
            Fixture(["--config=f"], files: ["f": "hunter2"]),
            Fixture(["--config=f"], files: ["f": "hunter2=="]),
            Fixture(["--config=f"], files: ["f": "POSTGRES_PASSWORD=a\nPOSTGRES_PASSWORD=hunter2"]),
        ])
    func neverShown(fixture: Fixture) {
        let problems = fixture.problems()
        #expect(!problems.isEmpty)
        #expect(!problems.joined().contains("hunter2"))
    }

    @Test("printing, dumping or interpolating a configuration shows no secret")
    func dumps() throws {
        let loaded = try Fixture(environment: ["POSTGRES_PASSWORD": "hunter2"]).configuration()
        var dumped = ""
        dump(loaded, to: &dumped)
        dump(loaded.secret("POSTGRES_PASSWORD"), to: &dumped)
        dumped += "\(loaded) \(String(reflecting: loaded)) \(loaded.logFields)"
        #expect(dumped.contains("<redacted>"))
        #expect(!dumped.contains("hunter2"))
    }

    @Test("real files: read whole, mode and all; folders, pipes and missing files are refused")
    func realFiles() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("text", to: "f")
        unsafe chmod(path, 0o604)
        #expect(
            ConfigurationFiles.read(path, 4)
                == .success(FileContent(bytes: Array("text".utf8), mode: 0o604)))
        #expect(ConfigurationFiles.read(path, 3) == .failure(.tooLarge(bytesMax: 3)))
        #expect(ConfigurationFiles.read(folder.path, 9) == .failure(.notAFile))
        #expect(ConfigurationFiles.read("/dev/zero", 9) == .failure(.notAFile))
        // Compose mounts /dev/null for a key that .env does not name.
        #expect(FileProblem.notAFile.description.contains(".env"))
        unsafe mkfifo(folder.file("pipe"), 0o600)
        #expect(ConfigurationFiles.read(folder.file("pipe"), 9) == .failure(.notAFile))
        #expect(
            ConfigurationFiles.read(folder.file("none"), 9) == .failure(.cannotOpen(code: ENOENT)))
    }

    @Test("a secret's file is read again after a refusal alone; what is no secret changes nothing")
    func renewable() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("first\n", to: "p")
        let keys = ["NATS_URL": "nats://127.0.0.1:4222", "POSTGRES_PASSWORD_FILE": path]
        let decision = ServiceCommandLine(Fixture.service).decide(
            arguments: [], environment: keys)
        guard case .run(let configuration) = decision else {
            Issue.record("\(decision)")
            return
        }
        let secret = try #require(configuration.renewable("POSTGRES_PASSWORD"))
        #expect(secret.value == "first" && !secret.renew(refused: "first"))
        for wrong in ["", "\n", "two\nlines", "first"] {
            try folder.write(wrong, to: "p")
            #expect(!secret.renew(refused: "first") && secret.value == "first")
        }
        try folder.write("second\n", to: "p")
        #expect(secret.value == "first")
        #expect(secret.renew(refused: "first") && secret.value == "second")
        // Another thread was refused with the one before.
        #expect(secret.renew(refused: "first") && !secret.renew(refused: "second"))
        let direct = try Fixture(environment: ["POSTGRES_PASSWORD": "direct"]).configuration()
        #expect(direct.renewable("POSTGRES_PASSWORD") == nil)
        #expect(try Fixture().configuration().renewable("POSTGRES_PASSWORD") == nil)
    }

    @Test("the process' environment is read")
    func environment() {
        #expect(
            ConfigurationFiles.environment()["PATH"]
                == ProcessInfo.processInfo.environment["PATH"])
    }
}

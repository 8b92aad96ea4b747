import Foundation
import TestSupport
import Testing

/// `deploy/compose/certificates.sh`, in a folder of the test.
@Suite("The script that makes certificates", .enabled(if: Certificates.obstacle == nil))
struct CertificateScriptTests {
    private static let script = "deploy/compose/certificates.sh"
    private static let given = [
        "tls-authority", "tls-database-certificate", "tls-database-key", "tls-nats-certificate",
        "tls-nats-key",
    ]

    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("compose")
        try FileManager.default.copyItem(
            atPath: "\(ServerPrograms.checkout)/\(Self.script)",
            toPath: folder.file("certificates.sh"))
    }

    private func make() throws -> String { try run("/bin/sh", [folder.file("certificates.sh")]) }

    private func names(in path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.file(path)).sorted()
    }

    private func content(_ path: String) throws -> String {
        try String(contentsOfFile: folder.file(path), encoding: .utf8)
    }

    @Test("the key of the authority is not among what containers and Secrets are given")
    func authority() throws {
        #expect(try make().contains("made deploy/compose/secrets/tls-authority"))
        #expect(try names(in: "secrets") == Self.given)
        #expect(try names(in: "authority") == ["key"])
        let key = try FileManager.default.attributesOfItem(atPath: folder.file("authority/key"))
        #expect((key[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        for server in ["nats", "database"] {
            try run(
                "/usr/bin/openssl",
                [
                    "verify", "-CAfile", folder.file("secrets/tls-authority"),
                    folder.file("secrets/tls-\(server)-certificate"),
                ])
        }
        // Existing files are kept.
        #expect(try make().isEmpty)
    }

    @Test("with the authority's key elsewhere nothing is signed, and one line says so")
    func elsewhere() throws {
        _ = try make()
        let key = folder.file("authority/key"), kept = folder.file("kept")
        try FileManager.default.moveItem(atPath: key, toPath: kept)
        // No certificate is due.
        #expect(try make().isEmpty)
        let certificate = folder.file("secrets/tls-nats-certificate")
        try FileManager.default.removeItem(atPath: certificate)
        let before = try content("secrets/tls-nats-key")
        for isOther in [false, true] {
            // The key of another authority is useless.
            if isOther {
                try FileManager.default.copyItem(
                    atPath: folder.file("secrets/tls-nats-key"), toPath: key)
            }
            let failure = #expect(throws: ProgramFailure.self) { try make() }
            let told = failure?.message ?? ""
            #expect(told.contains("tls-nats-certificate is due, and deploy/compose/authority/key"))
            #expect(try names(in: "secrets") == Self.given.filter { $0 != "tls-nats-certificate" })
            #expect(try names(in: "authority") == (isOther ? ["key"] : []))
            #expect(try content("secrets/tls-nats-key") == before)
        }
        try FileManager.default.removeItem(atPath: key)
        try FileManager.default.moveItem(atPath: kept, toPath: key)
        #expect(try make() == "made deploy/compose/secrets/tls-nats-certificate, for the name nats")
        #expect(try names(in: "secrets") == Self.given)
        #expect(try names(in: "authority") == ["key"])
    }

    @Test("when the authority is due, all is changed in place, and the one of before is kept")
    func due() throws {
        _ = try make()
        let path = folder.file("secrets/tls-authority")
        try run(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-new", "-key", folder.file("authority/key"), "-days", "20",
                "-subj", "/CN=old", "-out", folder.file("old"),
            ])
        let old = try content("old")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try old.write(toFile: path, atomically: false, encoding: .utf8)
        func places() throws -> [NSNumber?] {
            try Self.given.map {
                try FileManager.default.attributesOfItem(atPath: folder.file("secrets/\($0)"))[
                    .systemFileNumber] as? NSNumber
            }
        }
        let before = try places()
        #expect(try make().split(separator: "\n").count == 3)
        #expect(try places() == before && !before.contains(nil))
        let both = try content("secrets/tls-authority")
        #expect(both.hasSuffix(old) && both.count > old.count)
        let present = try folder.write(String(both.dropLast(old.count)), to: "present")
        for server in ["nats", "database"] {
            let certificate = folder.file("secrets/tls-\(server)-certificate")
            try run("/usr/bin/openssl", ["verify", "-CAfile", path, certificate])
            try run("/usr/bin/openssl", ["verify", "-CAfile", present, certificate])
        }
        #expect(try make().isEmpty)
    }

    @Test("neither folder comes into the repository or into an image")
    func ignored() throws {
        for folder in ["secrets", "authority"] {
            #expect(try CheckoutFiles.lines(".gitignore").contains("/deploy/compose/\(folder)/"))
        }
        #expect(try CheckoutFiles.lines(".dockerignore").contains("deploy/*"))
    }
}

import Foundation
import TestSupport
import Testing

/// Runs `make sbom` on a synthetic image that is unpacked in a folder.
@Suite("The list of an image's parts")
struct SBOMTests {
    private static let status = """
        Package: libnats3.4
        Status: install ok installed
        Maintainer: Debian <a@example.org>
        Architecture: amd64
        Source: cnats (3.4.1-1)
        Version: 1:3.4.1-1+b1
        Depends: libc6 (>= 2.34), libssl3 | libtls, absent
        Description: C client for NATS
         of several lines

        Package: libc6
        Status: install ok installed
        Architecture: amd64
        Version: 2.36-9

        Package: openssl-like
        Status: install ok installed
        Architecture: amd64
        Version: 3.0
        Provides: libtls (= 3)

        Package: gone
        Status: deinstall ok config-files
        Architecture: amd64
        Version: 1

        """
    private static let copyright = """
        Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
        Upstream-Name: nats

        Files: *
        Copyright: Somebody
        License: Apache-2.0

        Files: a.c
        License: BSD-3-clause
         Redistribution is a wide field.

        Files: b.c
        License: Tcl or something

        """

    private func image(_ folder: TemporaryFolder) throws -> String {
        let root = folder.file("image")
        for (path, text) in [
            ("var/lib/dpkg/status", Self.status),
            ("usr/share/doc/libnats3.4/copyright", Self.copyright),
            ("usr/share/doc/libc6/copyright", "This is the GNU C library, GPL-2 in parts."),
            ("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
            ("opt/tapeline/bin/store-writer", "the program"),
        ] {
            let file = URL(filePath: root).appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: false, encoding: .utf8)
        }
        return root
    }

    private func make(_ root: String, into output: String) throws -> String {
        try run(
            "/usr/bin/env",
            [
                "python3", "\(ServerPrograms.checkout)/deploy/docker/sbom.py", "--root", root,
                "--name", "store-writer", "--version", "1.2.3", "--output", output,
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        return "\(output)/store-writer.cdx.json"
    }

    private struct Bill: Decodable {
        struct Component: Decodable {
            struct Licence: Decodable {
                struct Name: Decodable {
                    let id: String?
                    let name: String?
                }
                let license: Name?
                let expression: String?
            }
            let type: String
            let name: String
            let version: String?
            let purl: String?
            let licenses: [Licence]?
        }
        struct Dependency: Decodable {
            let ref: String
            let dependsOn: [String]
        }
        let components: [Component]
        let dependencies: [Dependency]
    }

    @Test("it names the installed packages, their licences and needs, and our own program")
    func parts() throws {
        let folder = try TemporaryFolder("sbom")
        let path = try make(try image(folder), into: folder.file("out"))
        let bill = try JSONDecoder().decode(
            Bill.self, from: Data(contentsOf: URL(filePath: path)))
        #expect(
            bill.components.map(\.name)
                == ["store-writer", "swift", "xxhash", "libnats3.4", "libc6", "openssl-like"])
        let program = try #require(bill.components.first)
        #expect(program.type == "application" && program.version == "1.2.3")
        let nats = bill.components[3]
        let reference = "pkg:deb/debian/libnats3.4@1%3A3.4.1-1%2Bb1?arch=amd64&distro=debian-12"
        #expect(nats.purl == reference)
        #expect(
            nats.licenses?.map { $0.license?.id ?? $0.license?.name ?? "" }
                == ["Apache-2.0", "BSD-3-Clause", "Tcl or something"])
        // No licence is guessed from free text.
        #expect(bill.components[4].licenses == nil)
        let needs = bill.dependencies.first { $0.ref == reference }?.dependsOn ?? []
        #expect(
            needs == [
                "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12",
                "pkg:deb/debian/openssl-like@3.0?arch=amd64&distro=debian-12",
            ])
    }

    @Test("the same image gives the same bytes, and what is no image is refused in one line")
    func repeatable() throws {
        let folder = try TemporaryFolder("sbom")
        let root = try image(folder)
        let texts = try ["a", "b"].map {
            try String(contentsOfFile: try make(root, into: folder.file($0)), encoding: .utf8)
        }
        #expect(texts[0] == texts[1])
        let failure = #expect(throws: ProgramFailure.self) {
            try make(folder.file("a"), into: folder.file("c"))
        }
        #expect(failure?.message.contains("no package is installed in") == true)
        #expect(failure?.message.contains("Traceback") == false)
    }

    @Test("it is CycloneDX by the format's own schema")
    func schema() throws {
        let folder = try TemporaryFolder("sbom")
        let path = try make(try image(folder), into: folder.file("out"))
        let script = "\(ServerPrograms.checkout)/Tests/ServicesTests/validate_sbom.py"
        do {
            let problems = try run(
                "/bin/bash",
                [
                    "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", "sbom", script,
                    path,
                ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
            #expect(problems == "")
        } catch let failure as ProgramFailure where failure.status == 3 {
            print("nothing was compared with the schema of CycloneDX: \(failure.message)")
        }
    }
}

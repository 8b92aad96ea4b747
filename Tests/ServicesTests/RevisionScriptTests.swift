import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// `deploy/local/revision.sh`, in a folder of the test.
@Suite("The revision that a build is given")
struct RevisionScriptTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("revision")
        for path in ["outer/checkout/deploy/local", "outer/checkout/Sources"] {
            try FileManager.default.createDirectory(
                atPath: folder.file(path), withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(
            atPath: "\(ServerPrograms.checkout)/deploy/local/revision.sh",
            toPath: folder.file("outer/checkout/deploy/local/revision.sh"))
    }

    private var checkout: String { folder.file("outer/checkout") }

    @discardableResult
    private func git(_ path: String, _ arguments: String...) throws -> String {
        let person = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        return try run("/usr/bin/env", ["git", "-C", path] + person + arguments)
    }

    private func revision() throws -> String {
        try run("/bin/bash", ["\(checkout)/deploy/local/revision.sh"])
    }

    @Test("it is the commit, says whether files differ, and is unknown of a mere tarball")
    func revisions() throws {
        #expect(try revision() == "unknown")
        try git(folder.file("outer"), "init", "--quiet")
        try git(folder.file("outer"), "commit", "--quiet", "--allow-empty", "-m", "a")
        #expect(try revision() == "unknown", "the tarball is no commit of what is around it")
        try git(checkout, "init", "--quiet")
        try git(checkout, "add", ".")
        try git(checkout, "commit", "--quiet", "-m", "a")
        let commit = try git(checkout, "rev-parse", "HEAD")
        let clean = try revision()
        #expect(clean.count >= 7 && commit.hasPrefix(clean))
        // What a person keeps beside the sources, like an environment of Python, is not built.
        try folder.write("", to: "outer/checkout/desk")
        #expect(try revision() == clean)
        // A new file of sources is part of the build before git knows it.
        try folder.write("let a = 1\n", to: "outer/checkout/Sources/A.swift")
        #expect(try revision() == "\(clean)-dirty")
    }

    @Test("every program has one: a commit, or that it was not told")
    func compiled() {
        let known = /unknown|[0-9a-f]{7,40}(-dirty)?/
        #expect(ProductVersion.revision.wholeMatch(of: known) != nil)
    }
}

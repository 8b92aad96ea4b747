import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// The built program, as a person calls it.
@Suite("tapeline, the program")
struct ToolProgramTests {
    @Test("help names every command and every exit code")
    func help() throws {
        for arguments in [["help"], ["--help"], ["-h"]] {
            let (status, output) = try runTool(arguments)
            #expect(status == 0)
            for word in Commands.pages.map(\.word) + ["--name NAME", "64", "130"] {
                #expect(output.contains("\n  \(word)"), "\(word)")
            }
            #expect(output.split(separator: "\n").allSatisfy { $0.count <= 100 })
        }
        #expect(try runTool(["version"]).output == ProductVersion.line("tapeline") + "\n")
    }

    @Test("each command has a page with its options, by either way of asking")
    func pages() throws {
        for word in Commands.pages.map(\.word) {
            let page = try #require(HelpPage.text(of: word))
            #expect(page.contains("tapeline \(word)"), "\(word)")
            #expect(page.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(word)")
            let named = try Commands.parse(["help", word])
            #expect(named as? HelpCommand == HelpCommand(word: word))
            let asked = try Commands.parse([word, "--help"])
            #expect(asked as? HelpCommand == HelpCommand(word: word == "help" ? nil : word))
        }
        #expect(
            try runTool(["tail", "--help"]).output == HelpPage.text(of: "tail").map { $0 + "\n" })
    }

    @Test("a mistyped command or option names the one that was meant")
    func didYouMean() throws {
        #expect(
            try runTool(["staus"]).output
                == "tapeline: 'staus' is no command: did you mean 'status'? See 'tapeline help'\n")
        #expect(
            try runTool(["up", "--nmae", "x"]).output
                == "tapeline: 'tapeline up' does not take '--nmae': did you mean --name? "
                + "See 'tapeline up --help'\n")
        #expect(try runTool(["tail", "--form", "now"]).output.contains("did you mean --from?"))
        #expect(try runTool(["help", "tial"]).output.contains("did you mean 'tail'?"))
        #expect(
            try runTool(["tail", "--limit", "0"]).output
                == "tapeline: --limit wants a number of at least 1, not '0': "
                + "see 'tapeline tail --help'\n")
    }

    @Test("a mistake is one line and a documented exit code")
    func mistakes() throws {
        let word = try runTool(["fly"])
        #expect(word.status == 64)
        #expect(word.output == "tapeline: 'fly' is no command: see 'tapeline help'\n")
        let place = try runTool(["up", "--home", "/nonexistent"])
        #expect(place.status == 64)
        #expect(place.output.contains("no checkout of Tapeline around /nonexistent"))
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        let status = try runTool(["status"], home: folder)
        #expect(status.status == 1)
        #expect(try runTool(["down"], home: folder).status == 0)
    }

    @Test("a second command at the same stack waits for the first")
    func waits() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        let home = try madeHome(folder)
        let built = FileSystem.folder(of: try Checkout.ownExecutable())
        guard let lock = try FileLock(home.commandLock, timeout: .zero) else {
            Issue.record("the lock is new")
            return
        }
        let second = try ServerProcess(
            "\(built)/tapeline", ["down", "--home", folder.path], logPath: folder.file("output"))
        #expect(eventually { second.log.contains("waiting for another command") })
        #expect(second.isRunning)
        withExtendedLifetime(lock) {}
        _ = consume lock
        #expect(second.waitUntilExit() == 0)
        #expect(second.log.contains("is not up"))
    }

    @Test("two supervisors of one stack are one too many")
    func twoSupervisors() throws {
        let folder = try TemporaryFolder()
        try linkCheckout(at: folder)
        let home = try madeHome(folder)
        guard let lock = try FileLock(home.supervisorLock, timeout: .zero) else {
            Issue.record("the lock is new")
            return
        }
        let second = try runTool(["supervise"], home: folder)
        #expect(second.status == ExitCode.temporary.rawValue)
        #expect(second.output.contains("another command is at work"))
        withExtendedLifetime(lock) {}
    }
}

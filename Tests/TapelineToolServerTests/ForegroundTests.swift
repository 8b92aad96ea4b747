import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// What a unit of systemd runs, by the program, as systemd calls it.
@Suite("tapeline up --foreground", .serialized)
struct ForegroundTests {
    private static let stays = "in the foreground: Ctrl-C or SIGTERM stops the stack\n"

    private func started(_ test: StackUnderTest, _ words: String...) throws -> ServerProcess {
        try started(test, words)
    }

    private func started(_ test: StackUnderTest, _ words: [String]) throws -> ServerProcess {
        try ServerProcess(
            test.checkout.program("tapeline"),
            ["up", "--foreground", "--home", test.folder.path, "--name", "default"] + words,
            logPath: test.folder.file("foreground.log"))
    }

    private func isEmpty(_ test: StackUnderTest) -> Bool {
        Leftovers(home: test.home, state: nil).isEmpty
    }

    @Test("it ends at SIGTERM with all that it started, and 'down' ends it in order")
    func ends() throws {
        let test = try StackUnderTest()
        let first = try started(test, "--servers-only")
        #expect(eventually { first.log.hasSuffix(Self.stays) }, "\(first.log)")
        #expect(try test.state().alive.count == 3)
        #expect(first.isRunning)
        // A second one leaves the first one alone.
        let second = try ServerProcess(
            test.checkout.program("tapeline"),
            ["up", "--foreground", "--home", test.folder.path], logPath: test.folder.file("second"))
        #expect(second.waitUntilExit() == ExitCode.failure.rawValue)
        #expect(
            second.log == "tapeline: the stack default is already up: run 'tapeline down' first, "
                + "then this again\n")
        #expect(first.stop(SIGTERM) == 0, "\(first.log)")
        #expect(first.log.contains("the stack default is stopped ("), "\(first.log)")
        #expect(isEmpty(test))

        let third = try started(test, "--servers-only")
        #expect(eventually { third.log.hasSuffix(Self.stays) }, "\(third.log)")
        #expect(try test.stack.down() == .success)
        #expect(third.waitUntilExit() == 0)
        #expect(third.log.hasSuffix("the stack default was stopped\n"), "\(third.log)")
    }

    @Test("a dead supervisor is a failure that leaves nothing running, and the next start works")
    func restarts() throws {
        let test = try StackUnderTest()
        let first = try started(test, "--servers-only")
        #expect(eventually { first.log.hasSuffix(Self.stays) }, "\(first.log)")
        #expect(try test.state().supervisor.signal(SIGKILL))
        #expect(first.waitUntilExit() == ExitCode.failure.rawValue)
        #expect(first.log.contains("default has died, and what it left"), "\(first.log)")
        #expect(isEmpty(test))
        let second = try started(test, "--servers-only")
        #expect(eventually { second.log.hasSuffix(Self.stays) }, "\(second.log)")
        #expect(second.stop(SIGTERM) == 0)
    }

    @Test("a failed start is a failure, wrong settings are not tried again, and a mended one works")
    func failedStart() throws {
        let test = try StackUnderTest()
        // The unit's RestartPreventExitStatus. A stack that was removed does not come again.
        let removed = try started(test)
        #expect(removed.waitUntilExit() == ExitCode.usage.rawValue)
        #expect(removed.log.contains("has no source of ticks to go on with"), "\(removed.log)")
        #expect(!FileSystem.exists(test.home.path))
        let made = "PROVIDER=synthetic"
        let wrong = try started(test, made, "--set", "SYNTHETIC_RATE=wrong")
        #expect(wrong.waitUntilExit() == ExitCode.usage.rawValue)
        #expect(wrong.log.contains("1 problem in the configuration"), "\(wrong.log)")
        try test.refuseMigration()
        let failed = try started(test, made)
        #expect(failed.waitUntilExit() == ExitCode.failure.rawValue)
        #expect(failed.log.contains("did not start and was stopped: migrate"), "\(failed.log)")
        #expect(isEmpty(test))
        try test.replace("store-writer", by: StackUnderTest.standIn)
        let mended = try started(test)
        #expect(eventually { mended.log.hasSuffix(Self.stays) }, "\(mended.log)")
        #expect(mended.stop(SIGTERM) == 0)
        #expect(isEmpty(test))
    }

    @Test("a stack with data goes on with the settings of its last start, network or not")
    func resumes() throws {
        let test = try StackUnderTest()
        #expect(try test.up("--servers-only", "--set", "LOG_LEVEL=debug") == .success)
        #expect(try test.stack.down() == .success)
        // A stand-in does not answer what 'up' asks about an exchange.
        let source = try stackSource(["GATEWAY_PROVIDER=binance", "BINANCE_SYMBOLS=BTCUSDT"])
        try StackSources([source]).write(test.home)
        for words in [[], ["PROVIDER=binance"]] {
            let process = try started(test, words)
            #expect(eventually { process.log.hasSuffix(Self.stays) }, "\(process.log)")
            for line in ["ticks of binance", "LOG_LEVEL=debug", "BINANCE_SYMBOLS=BTCUSDT"] {
                #expect(process.log.contains("as before: \(line)"), "\(process.log)")
            }
            #expect(process.stop(SIGTERM) == 0, "\(process.log)")
        }
        let sources = try StackSources.read(test.home).all
        #expect(sources.map { $0.settings["BINANCE_SYMBOLS"] } == ["BTCUSDT"])
    }

    @Test("a stack in which not everything works stays, so that it can be mended")
    func notAllWorks() throws {
        let test = try StackUnderTest()
        // Ready for the supervisor's first look alone.
        try test.replace(
            "cockpit",
            by: StackUnderTest.standIn.replacing(
                "code, body = 503 if os.path.exists(red) else 200",
                with: """
                    seen.append(1)
                                code, body = 503 if len(seen) > 1 else 200
                    """
            ).replacing("red, graph = ", with: "seen = []\nred, graph = "))
        let process = try started(test, "PROVIDER=synthetic")
        #expect(eventually { process.log.hasSuffix(Self.stays) }, "\(process.log)")
        #expect(process.log.contains("runs, and not everything in it works"), "\(process.log)")
        #expect(process.isRunning)
        #expect(try test.state().alive.count == 9)
        #expect(process.stop(SIGTERM) == 0)
        #expect(isEmpty(test))
    }
}

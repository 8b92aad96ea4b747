import Foundation
import TestSupport
import Testing

/// The stacks that several tests of one process look at. They end with the process.
///
/// A test leaves such a stack as it found it: every service runs and is ready, and nothing that the
/// test added is left. A test that harms a stack, or stops part of it, has a stack of its own.
extension Pipeline {
    /// Ticks come to it all the time.
    static func live() throws -> Pipeline { try liveStack.get() }

    /// Its source has ended: 240 s of market, of which everything is stored. Every window of every
    /// series is closed.
    static func stored() throws -> Pipeline { try storedStack.get() }

    /// Starts a stack that ends with the process, with these services.
    static func lasting(_ load: Load, _ roles: [Role] = Role.usual) throws -> Pipeline {
        let pipeline = try Pipeline(load)
        pipeline.folder.untilExit()
        pipeline.nats.folder.untilExit()
        pipeline.valkey.untilExit()
        AtExit.call { pipeline.discard() }
        for role in roles { try pipeline.start(role) }
        for role in roles { #expect(try pipeline.service(role).becomesReady()) }
        return pipeline
    }

    /// Ends the services in order. The servers hold nothing that is needed after them.
    private func discard() {
        for service in running.values { service.signal(SIGTERM) }
        for service in running.values { _ = service.exitCode(within: 20) }
        nats.stop()
        valkey.kill()
    }

    /// Expects that every service runs, and that no output has a forbidden text.
    func expectUnharmed(_ location: SourceLocation = #_sourceLocation) throws {
        for (role, service) in running {
            #expect(try service.becomesReady(), "\(role)", sourceLocation: location)
            service.expectCleanOutput(secrets: secrets, location)
        }
    }
}

private let liveStack = Result { try Pipeline.lasting(Pipeline.Load(ticks: 0, rate: 200)) }

private let storedStack = Result { () throws -> Pipeline in
    let load = Pipeline.Load(ticks: 12_000, rate: 50, backlogSeconds: 310)
    let pipeline = try Pipeline.lasting(load)
    try pipeline.expectDrained(series: ["1s", "1m"])
    return pipeline
}

extension IntegrationTests {
    /// Tests on the stack to which ticks come. They are in one process, which has one such stack.
    @Suite(.serialized) enum LiveTests {}

    /// Tests on the stack that has stored everything. They are in one process, which has one such
    /// stack.
    @Suite(.serialized) enum StoredTests {}
}

package import EngineKit
package import MarketModel
internal import ProviderKit

/// What a provider's thread waits on: connections, on which it works meanwhile, or a signal alone.
/// The thread alone uses it.
package protocol ProviderWait: AnyObject {
    associatedtype Engine: ProviderEngine
    /// What is done on the connections.
    associatedtype Step: Sendable

    /// The longest wait of a turn, in nanoseconds: so often the floor advances when nothing comes.
    static var longest: Int64 { get }
    /// How often a full channel is tried again.
    static var pause: Duration { get }

    /// Ends a wait, from any thread.
    var wake: @Sendable () -> Void { get }
    /// Waits at most so long.
    func wait(_ time: Duration)
    /// Gives the engine what has come. Returns how many bytes that was.
    func take(
        into engine: inout Engine, _ now: Moment, _ out: inout Engine.Output
    ) -> UInt64
    /// Does a step. The engine learns at once of what cannot be done.
    func carryOut(
        _ step: Step, for engine: inout Engine, _ now: Moment, _ out: inout Engine.Output)
    /// Closes all connections.
    func end()
}

/// The wait of a provider that makes requests alone.
package final class RequestWait<Engine: ProviderEngine>: ProviderWait {
    // The thread has to beat.
    package static var longest: Int64 { 1_000_000_000 }
    package static var pause: Duration { .milliseconds(20) }

    package let wake: @Sendable () -> Void
    private let signal: ProviderWake

    package init() {
        let signal = ProviderWake()
        self.signal = signal
        wake = { signal.wake() }
    }

    package func wait(_ time: Duration) { signal.wait(time) }

    package func take(
        into engine: inout Engine, _ now: Moment, _ out: inout Engine.Output
    ) -> UInt64 { 0 }

    package func carryOut(
        _ step: Never, for engine: inout Engine, _ now: Moment, _ out: inout Engine.Output
    ) {}

    package func end() {}
}

import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization

/// A provider that sends the records that a test has it send.
final class ScriptedProvider: ProviderSource {
    struct Began: Sendable {
        let order: ProviderOrder
        let channel: ProviderChannel
    }

    struct Followed: Hashable, Sendable {
        let begun: [UInt32]
        let ended: [UInt32]
    }

    struct Restarted: Hashable, Sendable {
        let instrument: UInt32
        let kind: DataKind
    }

    /// All providers of one kind that a gateway made, in order.
    final class Log: Sendable {
        private let began = Mutex<[Began]>([])
        private let stopped = Mutex(0)
        private let followed = Mutex<[Followed]>([])
        private let restarted = Mutex<[Restarted]>([])
        let isRefusing = Mutex(false)
        let canRestart = Mutex(false)
        /// The records that each provider sends when it is asked to end.
        let lastWords = Mutex<[ProviderRecord]>([])
        /// Whether providers do not end when they are asked to.
        let isHanging = Mutex(false)
        let isUrgent = Mutex(true)
        /// The delayed data of each provider.
        let delayed = Mutex<ScriptedDelayed?>(nil)

        var starts: [Began] { began.withLock { $0 } }
        var stops: Int { stopped.withLock { $0 } }
        func began(_ one: Began) { began.withLock { $0.append(one) } }
        var follows: [Followed] { followed.withLock { $0 } }
        func followed(_ one: Followed) { followed.withLock { $0.append(one) } }
        var restarts: [Restarted] { restarted.withLock { $0 } }
        func restarted(_ one: Restarted) { restarted.withLock { $0.append(one) } }
        func ended() { stopped.withLock { $0 += 1 } }
    }

    struct Refused: Error, CustomStringConvertible {
        var description: String { "the script says no" }
    }

    let name: String
    var isUrgent: Bool { log.isUrgent.withLock { $0 } }
    private let log: Log
    private let channel = Mutex<ProviderChannel?>(nil)

    init(_ name: String, _ log: Log) {
        self.name = name
        self.log = log
    }

    static func kind(_ name: String, _ log: Log) -> ProviderKind {
        ProviderKind(name: name) { _ in ScriptedProvider(name, log) }
    }

    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        if log.isRefusing.withLock({ $0 }) { throw Refused() }
        self.channel.withLock { $0 = channel }
        log.began(Began(order: order, channel: channel))
    }

    func follow(begun: [UInt32], ended: [UInt32]) {
        log.followed(Followed(begun: begun, ended: ended))
    }

    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        log.restarted(Restarted(instrument: instrument, kind: kind))
        return log.canRestart.withLock { $0 }
    }

    func stop(within timeout: Duration) -> Bool {
        log.ended()
        var words = log.lastWords.withLock { $0 }
        if !words.isEmpty { _ = channel.withLock { $0?.send(&words, floor: .undefined) } }
        guard log.isHanging.withLock({ $0 }) else { return true }
        var nothing: [Bool] = []
        _ = Mailbox<Bool>(capacity: 1).receive(into: &nothing, max: 1, timeout: timeout)
        return false
    }

    func write(into json: inout JSONWriter) {}

    var delayed: (any DelayedProvider)? { log.delayed.withLock { $0 } }
}

/// The delayed data of a scripted provider.
final class ScriptedDelayed: DelayedProvider {
    let log = ScriptedProvider.Log()
    let name: String
    let isUrgent = true
    private let provider: ScriptedProvider
    private let needed = Atomic(false)

    init(_ name: String) {
        self.name = name
        provider = ScriptedProvider(name, log)
    }

    var isNeeded: Bool { needed.load(ordering: .relaxed) }
    func need() { needed.store(true, ordering: .relaxed) }

    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        try provider.start(order, into: channel)
    }

    func follow(begun: [UInt32], ended: [UInt32]) { provider.follow(begun: begun, ended: ended) }
    func stop(within timeout: Duration) -> Bool { provider.stop(within: timeout) }
    func write(into json: inout JSONWriter) {}
}

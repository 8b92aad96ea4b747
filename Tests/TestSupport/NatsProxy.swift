import Foundation
import Glibc
import Synchronization

/// Stands between NATS clients and their server, and loses, delays or answers what it is told to.
///
/// One thread of its own carries the bytes; the functions here say what happens to the next ones.
/// It ends, and its links are cut, with the value.
public final class NatsProxy: Sendable {
    /// What travels, as the tape uses NATS.
    public enum Traffic: Sendable, Hashable, CaseIterable {
        /// A message to a subject of the tape that asks for an answer.
        case publish
        /// The server's answer to one.
        case acknowledgement
        /// A reader asks for messages.
        case pull
        /// A message of a stream, on its way to a reader.
        case delivery
    }

    public enum Direction: Sendable, Hashable { case toServer, toClient }

    /// What the client is told in the server's name.
    public enum Refusal: Sendable, Hashable {
        /// JetStream's own way: an error in the answer's body.
        case error(code: Int, errorCode: Int, description: String)
        /// "NATS/1.0 503": nobody serves the subject.
        case noResponders
    }

    public struct NotStarted: Error {}

    public let port: UInt16
    private let controls: ProxyControls
    private let finished = DispatchSemaphore(value: 0)

    public var url: String { "nats://127.0.0.1:\(port)" }

    public init(to server: UInt16) throws {
        let listener = ProxySocket.listen()
        guard let listener else { throw NotStarted() }
        port = listener.port
        guard let controls = ProxyControls() else {
            close(listener.descriptor)
            throw NotStarted()
        }
        self.controls = controls
        let finished = finished
        Thread.detachNewThread {
            var pump = ProxyPump(listener: listener.descriptor, server: server, controls: controls)
            pump.run()
            finished.signal()
        }
    }

    deinit {
        controls.change { $0.isEnding = true }
        finished.wait()
    }

    // MARK: faults

    /// Breaks all links in the same moment. What was on its way is gone when this returns.
    public func cut() {
        let number = controls.change { state in
            state.cuts += 1
            return state.cuts
        }
        _ = eventually { controls.look { $0.cutsDone >= number } }
    }

    /// Carries nothing in this direction; what comes meanwhile waits here, up to a bound.
    public func freeze(_ direction: Direction) { controls.change { $0.frozen.insert(direction) } }
    public func thaw() { controls.change { $0.frozen = [] } }

    /// The next `count` of these never arrive.
    public func lose(_ count: Int, _ traffic: Traffic) { order(.lose, count, traffic) }

    /// The next `count` of these wait until `release()`, and are overtaken by what comes later.
    public func hold(_ count: Int, _ traffic: Traffic) { order(.hold, count, traffic) }

    /// What was held goes on its way, in order.
    public func release() { controls.change { $0.releases += 1 } }

    /// The next `count` publishes are answered by this; the server gets them or does not.
    public func refuse(_ count: Int, _ refusal: Refusal, stored: Bool) {
        order(.refuse(refusal, stored: stored), count, .publish)
    }

    /// From the next link on the server says that it is of this version; nil: of its own.
    public func pretend(version: String?) { controls.change { $0.version = version } }

    /// Until `calm`, what is sent to subjects that begin so never arrives; the client is told this,
    /// or nothing.
    public func sicken(_ subjects: [String], _ refusal: Refusal?) {
        controls.change { $0.sick = (subjects, refusal) }
    }

    /// Nothing more happens to what comes; what is held is released.
    public func calm() {
        controls.change { state in
            state.orders = [:]
            state.sick = ([], nil)
            state.frozen = []
            state.releases += 1
        }
    }

    private func order(_ action: ProxyAction, _ count: Int, _ traffic: Traffic) {
        controls.change { $0.orders[traffic] = ProxyOrder(action: action, remaining: count) }
    }

    // MARK: what was seen

    /// How many messages of this kind something happened to.
    public func struck(_ traffic: Traffic) -> Int { controls.look { $0.struck[traffic] ?? 0 } }
    /// How many of this kind came by at all.
    public func seen(_ traffic: Traffic) -> Int { controls.look { $0.seen[traffic] ?? 0 } }
    /// How often something was sent to a subject that begins so, since `sicken`.
    public func sent(to prefix: String) -> Int {
        controls.look { $0.sent.filter { $0.key.hasPrefix(prefix) }.values.reduce(0, +) }
    }
    public var heldNow: Int { controls.look { $0.held } }
    public var links: Int { controls.look { $0.links } }
}

enum ProxyAction: Sendable {
    case lose
    case hold
    case refuse(NatsProxy.Refusal, stored: Bool)
}

struct ProxyOrder: Sendable {
    let action: ProxyAction
    var remaining: Int
}

/// What the test's thread asks of the proxy's, and what that one tells.
final class ProxyControls: Sendable {
    struct State: Sendable {
        var orders: [NatsProxy.Traffic: ProxyOrder] = [:]
        var frozen: Set<NatsProxy.Direction> = []
        var cuts = 0
        var cutsDone = 0
        var releases = 0
        var isEnding = false
        var sick: (subjects: [String], refusal: NatsProxy.Refusal?) = ([], nil)
        var version: String?
        /// By subject, while something is sick.
        var sent: [String: Int] = [:]
        var seen: [NatsProxy.Traffic: Int] = [:]
        var struck: [NatsProxy.Traffic: Int] = [:]
        var held = 0
        var links = 0
    }

    private let state = Mutex(State())
    /// A byte in it wakes the proxy's thread.
    let wakeRead: Int32
    private let wakeWrite: Int32

    init?() {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return nil }
        wakeRead = ends[0]
        wakeWrite = ends[1]
        for end in ends { ProxySocket.setNonBlocking(end) }
    }

    deinit {
        close(wakeRead)
        close(wakeWrite)
    }

    @discardableResult
    func change<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        let result = state.withLock { body(&$0) }
        var byte: UInt8 = 1
        // A full pipe wakes as well.
        _ = unsafe write(wakeWrite, &byte, 1)
        return result
    }

    func look<Result: Sendable>(_ body: (State) -> Result) -> Result {
        state.withLock { body($0) }
    }

    /// For the proxy's own thread, which needs no waking.
    func note(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Whether a message to this subject is lost, and what is said of it.
    func sickness(of subject: String) -> (isSick: Bool, refusal: NatsProxy.Refusal?) {
        state.withLock { state in
            guard !state.sick.subjects.isEmpty else { return (false, nil) }
            state.sent[subject, default: 0] += 1
            let isSick = state.sick.subjects.contains { subject.hasPrefix($0) }
            return (isSick, state.sick.refusal)
        }
    }

    /// What happens to a message of this kind, if anything.
    func action(for traffic: NatsProxy.Traffic) -> ProxyAction? {
        state.withLock { state in
            state.seen[traffic, default: 0] += 1
            guard var order = state.orders[traffic], order.remaining > 0 else { return nil }
            order.remaining -= 1
            state.orders[traffic] = order
            state.struck[traffic, default: 0] += 1
            return order.action
        }
    }
}

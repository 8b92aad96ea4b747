import Foundation
import Glibc
import Synchronization

/// A proxy between NATS clients and their server that loses, delays or answers messages on request.
///
/// A separate thread carries the bytes. The functions here determine what happens to the next ones.
/// The proxy ends, and its links are cut, with the value.
package final class NatsProxy: Sendable {
    /// The kinds of messages, as the tape uses NATS.
    package enum Traffic: Sendable, Hashable, CaseIterable {
        /// A message to a subject of the tape that requests an answer.
        case publish
        /// The server's answer to a publish.
        case acknowledgement
        /// A reader's request for messages.
        case pull
        /// A message of a stream, on its way to a reader.
        case delivery
    }

    package enum Direction: Sendable, Hashable { case toServer, toClient }

    /// The answer that the client gets in place of the server's.
    package enum Refusal: Sendable, Hashable {
        /// An error in the answer's body, as JetStream sends it.
        case error(code: Int, errorCode: Int, description: String)
        /// "NATS/1.0 503": the subject has no subscriber.
        case noResponders
    }

    package struct NotStarted: Error {}

    package let port: UInt16
    private let controls: ProxyControls
    private let finished = DispatchSemaphore(value: 0)

    package var url: String { "nats://127.0.0.1:\(port)" }

    package init(to server: UInt16) throws {
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

    /// Breaks all links at the same moment. Messages under way are lost when this returns.
    package func cut() {
        let number = controls.change { state in
            state.cuts += 1
            return state.cuts
        }
        _ = eventually { controls.look { $0.cutsDone >= number } }
    }

    /// Carries nothing in this direction. What arrives meanwhile waits here, up to a bound.
    package func freeze(_ direction: Direction) { controls.change { $0.frozen.insert(direction) } }
    package func thaw() { controls.change { $0.frozen = [] } }

    /// The next `count` messages of this kind never arrive.
    package func lose(_ count: Int, _ traffic: Traffic) { order(.lose, count, traffic) }

    /// The next `count` messages of this kind wait until `release()`. Later messages overtake them.
    package func hold(_ count: Int, _ traffic: Traffic) { order(.hold, count, traffic) }

    /// Sends the held messages on, in order.
    package func release() { controls.change { $0.releases += 1 } }

    /// Answers the next `count` publishes with this. `stored` determines whether the server gets
    /// them.
    package func refuse(_ count: Int, _ refusal: Refusal, stored: Bool) {
        order(.refuse(refusal, stored: stored), count, .publish)
    }

    /// From the next link on the server reports this version. `nil` restores its real one.
    package func pretend(version: String?) { controls.change { $0.version = version } }

    /// Until `calm`, messages to subjects with these prefixes never arrive. The client gets this
    /// refusal, or no answer.
    package func sicken(_ subjects: [String], _ refusal: Refusal?) {
        controls.change { $0.sick = (subjects, refusal) }
    }

    /// Ends all faults, and releases what is held.
    package func calm() {
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

    /// Returns how many messages of this kind a fault has hit.
    package func struck(_ traffic: Traffic) -> Int { controls.look { $0.struck[traffic] ?? 0 } }
    /// Returns how many messages of this kind have passed in all.
    package func seen(_ traffic: Traffic) -> Int { controls.look { $0.seen[traffic] ?? 0 } }
    /// Returns how many messages were sent to subjects with this prefix since `sicken`.
    package func sent(to prefix: String) -> Int {
        controls.look { $0.sent.filter { $0.key.hasPrefix(prefix) }.values.reduce(0, +) }
    }
    package var heldNow: Int { controls.look { $0.held } }
    package var links: Int { controls.look { $0.links } }
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

/// The requests of the test's thread to the proxy's thread, and its counts.
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
        /// Messages per subject, while subjects are sick.
        var sent: [String: Int] = [:]
        var seen: [NatsProxy.Traffic: Int] = [:]
        var struck: [NatsProxy.Traffic: Int] = [:]
        var held = 0
        var links = 0
    }

    private let state = Mutex(State())
    /// A byte in this pipe wakes the proxy's thread.
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
        // A full pipe wakes it as well.
        _ = unsafe write(wakeWrite, &byte, 1)
        return result
    }

    func look<Result: Sendable>(_ body: (State) -> Result) -> Result {
        state.withLock { body($0) }
    }

    /// For the proxy's own thread, which needs no waking.
    func note(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Returns whether a message to this subject is lost, and its refusal.
    func sickness(of subject: String) -> (isSick: Bool, refusal: NatsProxy.Refusal?) {
        state.withLock { state in
            guard !state.sick.subjects.isEmpty else { return (false, nil) }
            state.sent[subject, default: 0] += 1
            let isSick = state.sick.subjects.contains { subject.hasPrefix($0) }
            return (isSick, state.sick.refusal)
        }
    }

    /// Returns what happens to a message of this kind. `nil` if nothing does.
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

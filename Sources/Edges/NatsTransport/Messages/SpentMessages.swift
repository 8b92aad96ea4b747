internal import CNats
internal import Synchronization

/// Keeps messages that nobody uses any more, and frees many at a time.
///
/// libnats 3.4.1 frees a received message on a thread of its own, and wakes that thread when it has
/// nothing else to free. With a message now and then that is a wake-up, and a switch to that thread
/// and back, for each message. Any thread may add messages.
final class SpentMessages: Sendable {
    /// The most messages, and bytes of their payloads, that are kept. With one of them, all are
    /// freed.
    static let countMax = 64
    static let bytesMax = 1024 * 1024

    @safe
    private struct Spent: Sendable {
        // Safety: nobody else has the message: its owner added it when it ended.
        nonisolated(unsafe) let handle: OpaquePointer
    }

    private struct State: Sendable {
        var messages: [Spent] = []
        var byteCount = 0
    }

    private let state = Mutex(State())

    /// Takes ownership of a message.
    func add(_ handle: OpaquePointer, byteCount: Int) {
        let spent = unsafe Spent(handle: handle)
        let full: [Spent] = state.withLock { state in
            state.messages.append(spent)
            state.byteCount += byteCount
            guard state.messages.count >= Self.countMax || state.byteCount >= Self.bytesMax else {
                return []
            }
            defer { state = State() }
            return state.messages
        }
        // This happens outside the lock, because destroying one calls into libnats.
        free(full)
    }

    private func free(_ messages: [Spent]) {
        for message in messages { unsafe natsMsg_Destroy(message.handle) }
    }

    /// The number of messages that are kept.
    var count: Int { state.withLock { $0.messages.count } }

    deinit { free(state.withLock { $0.messages }) }
}

internal import ArrowColumns
internal import Glibc
internal import Recordings
internal import Synchronization

/// Reads and checks a recording in a thread of its own, ahead of the decoder, so that the checksums
/// of the file and the columns of its packets are made on two cores.
///
/// The order is that of the file, and its end or an error comes after the last packet before it.
/// The decoder waits for the thread when no block is full, and the thread for the decoder when all
/// are. When the reader keeps its batches, the thread also touches the memory of the next one,
/// because that would cost the decoder a third as much again.
///
/// Safety: `state` is used under the mutex. The file belongs to the thread once it has started,
/// `isStarted` and `thread` to the decoder's side, and a block to the side that took it. The C
/// objects have allocated addresses that stay the same until `deinit`.
@safe
final class FrameQueue: @unchecked Sendable {
    /// The most blocks that are in memory, with the one that the decoder reads.
    static let blocksMax = 4

    /// Memory that was touched for a batch.
    ///
    /// Safety: it is in `fresh`, or with the decoder, or being prepared, and never twice.
    @safe
    private struct FreshMemory {
        let request: BatchMemory.Request
        let start: UnsafeMutableRawPointer
    }

    private struct State {
        /// Full blocks, in the order of the file.
        var full: [FrameBlock] = []
        /// Blocks that may be filled.
        var spare: [FrameBlock]
        /// What memory a batch had last; `nil`: the reader gives batches back.
        var request: BatchMemory.Request?
        /// Memory for the next one.
        var fresh: FreshMemory?
    }

    private let file: RecordingFile
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    /// Whether the thread was started, or could not be. Where it is set before the first block, the
    /// caller reads.
    var isStarted = false
    /// The thread; `nil`: there is none to wait for.
    private(set) var thread: pthread_t?
    /// Whether the thread is to end. It is set under the mutex, and the thread reads it before each
    /// packet.
    private let isStopped = Atomic(false)
    private let process = getpid()

    /// Takes the file over.
    init(_ file: RecordingFile, blockBytes: Int) {
        self.file = file
        state = State(
            spare: (0..<Self.blocksMax).map { _ in FrameBlock(bytesFull: blockBytes) })
        unsafe mutex = .allocate(capacity: 1)
        unsafe changed = .allocate(capacity: 1)
        unsafe checked(pthread_mutex_init(mutex, nil))
        unsafe checked(pthread_cond_init(changed, nil))
    }

    deinit {
        // The thread has ended: it holds the queue.
        unsafe state.fresh?.start.deallocate()
        unsafe checked(pthread_cond_destroy(changed))
        unsafe checked(pthread_mutex_destroy(mutex))
        unsafe changed.deallocate()
        unsafe mutex.deallocate()
    }

    /// Starts the thread, if the system has one.
    private func start() {
        isStarted = true
        // Safety: the thread takes this retain over; if it does not start, it is given back below.
        let reference = unsafe Unmanaged.passRetained(self)
        // The caller's threads get the signals of the process, as before.
        var (all, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        unsafe checked(pthread_sigmask(SIG_SETMASK, &all, &before))
        var id = pthread_t()
        let code = unsafe pthread_create(
            &id, nil, { unsafe readAhead($0) }, reference.toOpaque())
        unsafe checked(pthread_sigmask(SIG_SETMASK, &before, nil))
        guard code == 0 else {
            unsafe reference.release()
            return
        }
        thread = id
    }

    /// Has the thread end before its next packet.
    func stop() {
        change { _ in isStopped.store(true, ordering: .relaxed) }
    }

    /// Ends the thread, and waits for its end. Twice does nothing.
    ///
    /// A child of a fork has none of its parent's threads, and their lock stays as it was. Only the
    /// file is closed there: the queue itself stays, because the thread held it.
    func close() {
        guard let thread else { return }
        self.thread = nil
        guard process == getpid() else { return file.close() }
        stop()
        checked(pthread_join(thread, nil))
    }

    /// Waits for the next block, and gives the last one back to be filled again. The first call
    /// starts the thread; where the system has none, the caller reads. After a block with an end,
    /// and after `close`, there is none.
    func next(after last: FrameBlock?) -> FrameBlock {
        if !isStarted { start() }
        if let last { change { $0.spare.append(last) } }
        if thread == nil, let block = empty() {
            block.fill(from: file)
            return block
        }
        return wait { $0.full.isEmpty ? nil : $0.full.removeFirst() }
    }

    /// Returns memory for a batch.
    func memory(_ request: BatchMemory.Request) -> UnsafeMutableRawPointer {
        var found: FreshMemory?
        change { state in
            state.request = request
            if state.fresh?.request == request { swap(&found, &state.fresh) }
        }
        return unsafe found?.start ?? request.allocatedLarge()
    }

    // MARK: the thread

    fileprivate func run() {
        while let block = empty() {
            block.fill(from: file) { isStopped.load(ordering: .relaxed) }
            let isLast = block.end != nil || isStopped.load(ordering: .relaxed)
            change { $0.full.append(block) }
            if isLast { return }
            prepareMemory()
        }
    }

    private func prepareMemory() {
        var wanted: BatchMemory.Request?
        change { state in
            if state.fresh?.request != state.request { wanted = state.request }
        }
        guard let wanted else { return }
        let fresh = unsafe FreshMemory(request: wanted, start: wanted.allocatedTouched())
        var old: FreshMemory?
        change { state in
            old = state.fresh
            state.fresh = fresh
        }
        unsafe old?.start.deallocate()
    }

    /// Waits for a block that may be filled; `nil`: the queue was closed.
    private func empty() -> FrameBlock? {
        wait { state -> FrameBlock?? in
            isStopped.load(ordering: .relaxed)
                ? .some(nil) : state.spare.popLast().map(Optional.some)
        }
    }

    // MARK: the lock

    private func change(_ body: (inout State) -> Void) {
        unsafe checked(pthread_mutex_lock(mutex))
        body(&state)
        unsafe checked(pthread_cond_signal(changed))
        unsafe checked(pthread_mutex_unlock(mutex))
    }

    /// Waits until `body` returns something. There is no deadline: the decoder waits for the disk,
    /// and the thread until the reader asks for another batch or ends the reading.
    private func wait<Result>(_ body: (inout State) -> Result?) -> Result {
        unsafe checked(pthread_mutex_lock(mutex))
        defer { unsafe checked(pthread_mutex_unlock(mutex)) }
        while true {
            if let result = body(&state) { return result }
            unsafe checked(pthread_cond_wait(changed, mutex))
        }
    }
}

private func readAhead(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let raw = unsafe raw else { return nil }
    // Safety: `FrameQueue.start` retained the queue for this thread.
    unsafe Unmanaged<FrameQueue>.fromOpaque(raw).takeRetainedValue().run()
    return nil
}

/// Checks a result. The calls above fail only when they are used wrongly.
private func checked(_ result: Int32) {
    precondition(result == 0, "a lock or a thread was used wrongly: errno \(result)")
}

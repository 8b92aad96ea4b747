/// The least processor times of several turns in which a state is encoded and restored.
package struct SnapshotTimes {
    package private(set) var encode = Duration.seconds(60)
    package private(set) var restore = Duration.seconds(60)
    /// The size of the encoded state.
    package private(set) var bytes = 0

    /// `check` throws if what was restored is not the state.
    package init<State>(
        of turns: Int, encode write: (inout [UInt8]) -> Void,
        restore read: ([UInt8]) throws -> State, check: (State) throws -> Void
    ) throws {
        var state: [UInt8] = []
        for _ in 0..<turns {
            state.removeAll(keepingCapacity: true)
            let start = processorTime()
            write(&state)
            let encoded = processorTime()
            let restored = try read(state)
            restore = min(restore, processorTime() - encoded)
            encode = min(encode, encoded - start)
            try check(restored)
        }
        bytes = state.count
    }
}

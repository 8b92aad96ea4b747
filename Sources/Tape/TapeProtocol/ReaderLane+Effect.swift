package import MarketModel

extension ReaderLane {
    /// What the lane's owner has to do.
    package enum Effect: Hashable, Sendable {
        /// Request the stream's description. The answer is `streamRead` or `openFailed`.
        case readStream
        /// Make the consumer with this number. The answer is `consumerCreated` or `openFailed`.
        case createConsumer(consumerNumber: UInt64, start: Start)
        /// Open the pull with this number. The answers are packets and statuses.
        case pull(consumerNumber: UInt64, number: UInt64)
        /// Report that the consumer is made again.
        case doubted(ReaderDoubt)
        /// Report that the tape lacks these ordinals. Reading continues after them. `isLetGo`: the
        /// tape may have been purged of them because the lane's group is not needed.
        case hole(source: SourceName, ordinals: ClosedRange<UInt64>, isLetGo: Bool = false)
        /// Report that the packet of the position was purged, and that reading continues at the
        /// first one that is left.
        case letGo(sequence: UInt64, first: UInt64)
        /// Report that the reader has stopped.
        case stopped(ReaderProblem)
    }
}

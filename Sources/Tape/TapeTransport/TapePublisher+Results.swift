public import TapeCodec

// What a publisher reports to its owner.
extension TapePublisher {
    /// A packet that is on the tape permanently.
    public struct Acknowledged: Sendable {
        public let lane: Int
        public let header: PacketHeader
        public let sequence: UInt64
    }

    /// A subject of the tape was found restored from a backup.
    public struct RolledBack: Sendable {
        public let lane: Int
        public let subject: String
        /// The lost ordinals; `nil` when only markers are lost.
        public let lost: ClosedRange<UInt64>?
        /// The sequence of the subject's last packet now; 0 when there is none.
        public let sequence: UInt64
    }
}

package import TapeCodec

// What a publisher reports to its owner.
extension TapePublisher {
    /// A packet that is on the tape permanently, which may be a marker.
    package struct Acknowledged: Sendable {
        package let lane: Int
        package let header: PacketHeader
        /// The packet's sequence in its stream.
        package let sequence: UInt64
    }

    /// A subject of the tape was found restored from a backup.
    package struct RolledBack: Sendable {
        package let lane: Int
        package let subject: String
        /// The lost ordinals; `nil` when only packets without ordinals are lost.
        package let lost: ClosedRange<UInt64>?
        /// The sequence of the subject's last packet now; 0 when there is none.
        package let sequence: UInt64
    }
}

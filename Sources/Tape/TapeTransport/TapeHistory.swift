internal import MarketModel
package import NatsTransport
package import Primitives
package import TapeCodec
package import TapeProtocol

/// A packet as the tape stores it.
package struct StoredPacket: Sendable {
    /// What a publisher needs to continue after this packet.
    package let last: LastPacket
    package let header: PacketHeader
    /// When the server stored it.
    package let time: Timestamp
    let payload: [UInt8]

    package func withBytes<Result, Failure: Error>(
        _ body: (borrowing RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try payload.withRawSpan(body)
    }

    package init(_ message: StoredMessage) throws(PacketError) {
        payload = message.payload
        time = message.time
        header = try payload.withRawSpan { span throws(PacketError) in
            try PacketReader.validate(span)
        }
        last = LastPacket(sequence: message.sequence, header: header)
    }

    package var content: PacketContent { payload.withRawSpan { PacketContent(of: $0, header) } }

    /// The marker; `nil` when the packet opens no epoch.
    package var marker: EpochMarker? {
        payload.withRawSpan { PacketReader.epochMarker(of: $0) }
    }
}

// Reads back what a successor has to know about its predecessor. All of it blocks.
extension TapeClient {
    /// The most consecutive markers that are stepped over. Each belongs to a start that published
    /// nothing.
    static let markersMax = 100_000

    /// Returns the subject's last packet, from the stream's leader.
    package func lastPacket(stream: String, subject: String) throws -> StoredPacket? {
        try jetStream.lastPacket(stream: stream, subject: subject)
    }

    /// Returns the last packets of several subjects, in their order. Many are requested at the same
    /// time. Each round of them is answered within `timeout`; `nil`: in the usual time.
    package func lastPacketOfEach(
        _ places: [(stream: String, subject: String)], within timeout: Duration? = nil
    ) throws -> [StoredPacket?] {
        let asked = timeout.map { jetStream.within($0) } ?? jetStream
        return try asked.lastMessages(places).map { message in
            try message.map { try StoredPacket($0) }
        }
    }

    /// Returns the subject's last packet and those before it, back to the first that is no marker.
    package func lastPackets(stream: String, subject: String) throws -> [StoredPacket] {
        try lastPacketsOfEach([(stream, subject)])[0]
    }

    /// Returns what `lastPackets` returns for several subjects, in their order. Many packets are
    /// requested at the same time.
    package func lastPacketsOfEach(
        _ places: [(stream: String, subject: String)]
    ) throws -> [[StoredPacket]] {
        var runs = try lastPacketOfEach(places).map { $0.map { [$0] } ?? [] }
        var open = Array(places.indices)
        while true {
            // The subjects whose earliest known packet is a marker, and the sequence before it.
            let before = open.compactMap { place -> (place: Int, sequence: UInt64)? in
                guard let marker = runs[place].last?.marker, marker.previousSequence > 0,
                    runs[place].count < Self.markersMax
                else { return nil }
                return (place, marker.previousSequence)
            }
            guard !before.isEmpty else { return runs }
            open = []
            let found = try jetStream.messages(
                at: before.map { (places[$0.place].stream, $0.sequence) })
            for (place, message) in zip(before.map(\.place), found) {
                guard let message, message.subject == places[place].subject else { continue }
                runs[place].append(try StoredPacket(message))
                open.append(place)
            }
        }
    }

    /// Returns the last packet of the subject that is no marker.
    package func lastContent(stream: String, subject: String) throws -> StoredPacket? {
        try lastPackets(stream: stream, subject: subject).last.flatMap {
            $0.marker == nil ? $0 : nil
        }
    }
}

extension JetStream {
    func lastPacket(stream: String, subject: String) throws -> StoredPacket? {
        guard let message = try lastMessage(stream: stream, subject: subject) else { return nil }
        return try StoredPacket(message)
    }
}

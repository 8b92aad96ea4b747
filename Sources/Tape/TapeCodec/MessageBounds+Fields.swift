public import MarketModel
internal import Primitives

// What the readers in the folder `Records` share. Offsets of fields are counted from the start of
// the block. The cursor has checked that the block has the length of its template.
extension MessageBounds {
    /// Returns the header that every tick but the bar begins with; `nil` for a bar and for a
    /// message that is no tick. It also works for ticks of unknown templates, because every future
    /// template of a tick must begin in the same way.
    public func tickHeader(in packet: RawSpan) -> TickHeader? {
        guard WireFormat.Template.isTick(template), template != WireFormat.Template.bar,
            blockLength >= WireFormat.tickHeaderBytes
        else { return nil }
        return header(in: packet)
    }

    /// Returns the tick header of a message that is known to have one.
    func header(in packet: RawSpan) -> TickHeader {
        TickHeader(packet.extracting(body..<body + WireFormat.tickHeaderBytes))
    }

    func time(_ offset: Int, _ packet: RawSpan) -> Timestamp {
        Timestamp(nanoseconds: packet.int64(at: body + offset))
    }

    func price(_ offset: Int, _ packet: RawSpan) -> Price {
        Price(raw: packet.int64(at: body + offset))
    }

    func size(_ offset: Int, _ packet: RawSpan) -> Quantity {
        Quantity(raw: packet.int64(at: body + offset))
    }

    func ratio(_ offset: Int, _ packet: RawSpan) -> Ratio {
        Ratio(raw: packet.int64(at: body + offset))
    }

    /// Returns the place, in the packet, of a variable field's bytes without their length. `index`
    /// counts the variable fields from 0. The cursor has checked that the packet holds them.
    func variable(_ index: Int, in packet: RawSpan) -> Range<Int> {
        var offset = body + blockLength
        for _ in 0..<index {
            offset += WireFormat.lengthBytes + Int(packet.uint32(at: offset))
        }
        let start = offset + WireFormat.lengthBytes
        return start..<start + Int(packet.uint32(at: offset))
    }

    /// Returns the text of a variable field; `nil` when it is longer than a builder accepts.
    func text(_ index: Int, _ bytesMax: Int, _ packet: RawSpan) -> String? {
        let field = variable(index, in: packet)
        return field.count <= bytesMax ? packet.extracting(field).text : nil
    }
}

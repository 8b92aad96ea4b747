public import MarketModel
internal import Primitives

// The ticks with fields of variable length. The readers return `nil` as the others do.
extension MessageBounds {
    public func newsHeadline(in packet: RawSpan) -> NewsHeadline? {
        guard template == WireFormat.Template.newsHeadline,
            let provider = text(0, NewsHeadline.providerBytesMax, packet),
            let article = text(1, NewsHeadline.articleBytesMax, packet),
            let headline = text(2, NewsHeadline.headlineBytesMax, packet),
            let extra = text(3, NewsHeadline.extraBytesMax, packet)
        else { return nil }
        return NewsHeadline(
            header: header(in: packet), provider: provider, article: article,
            headline: headline, extra: extra)
    }

    public func newsBulletin(in packet: RawSpan) -> NewsBulletin? {
        guard template == WireFormat.Template.newsBulletin,
            let text = text(0, NewsBulletin.textBytesMax, packet),
            let exchange = self.text(1, NewsBulletin.exchangeBytesMax, packet)
        else { return nil }
        var bulletin = NewsBulletin(
            header: header(in: packet), kind: .unknown, text: text, exchange: exchange)
        bulletin.kind = packet.uint8(at: body + 32)
        return bulletin
    }

    public func fundamentalPart(in packet: RawSpan) -> FundamentalPart? {
        guard template == WireFormat.Template.fundamentalPart,
            let report = text(0, FundamentalPart.reportBytesMax, packet)
        else { return nil }
        let content = variable(1, in: packet)
        let documentBytes = packet.uint64(at: body + 40)
        guard content.count <= FundamentalPart.contentBytesMax,
            documentBytes <= UInt64(FundamentalPart.documentBytesMax)
        else { return nil }
        return FundamentalPart(
            header: header(in: packet), report: report, part: packet.uint32(at: body + 32),
            parts: packet.uint32(at: body + 36), documentBytes: documentBytes,
            content: packet.extracting(content).array)
    }

    public func indicatorValue(in packet: RawSpan) -> IndicatorValue? {
        guard template == WireFormat.Template.indicatorValue,
            let name = text(0, IndicatorValue.nameBytesMax, packet),
            let unit = text(1, IndicatorValue.unitBytesMax, packet)
        else { return nil }
        return IndicatorValue(
            header: header(in: packet), name: name, unit: unit,
            value: packet.int128(at: body + 32), periodStart: time(48, packet),
            periodEnd: time(56, packet), revision: packet.uint32(at: body + 64))
    }

    public func subscriptionRecord(in packet: RawSpan) -> SubscriptionRecord? {
        guard template == WireFormat.Template.subscriptionRecord,
            let provider = text(0, SubscriptionRecord.providerBytesMax, packet),
            let previous = text(1, SubscriptionRecord.providerBytesMax, packet),
            let reason = text(2, SubscriptionRecord.reasonBytesMax, packet)
        else { return nil }
        var record = SubscriptionRecord(
            header: header(in: packet), action: .start, kind: .any, mode: .unknown,
            provider: provider, previousProvider: previous, reason: reason)
        record.action = packet.uint8(at: body + 32)
        record.kind = packet.uint8(at: body + 33)
        record.mode = packet.uint8(at: body + 34)
        return record
    }

    public func gapRecord(in packet: RawSpan) -> GapRecord? {
        guard template == WireFormat.Template.gapRecord,
            let detail = text(0, GapRecord.detailBytesMax, packet)
        else { return nil }
        var gap = GapRecord(
            header: header(in: packet), from: time(32, packet), to: time(40, packet), kind: .any,
            reason: .unknown, state: .open, firstOrdinal: packet.uint64(at: body + 48),
            lastOrdinal: packet.uint64(at: body + 56), detail: detail)
        gap.kind = packet.uint8(at: body + 64)
        gap.reason = packet.uint8(at: body + 65)
        gap.state = packet.uint8(at: body + 66)
        return gap
    }

    public func repairRequest(in packet: RawSpan) -> RepairRequest? {
        guard template == WireFormat.Template.repairRequest,
            let requester = text(0, RepairRequest.requesterBytesMax, packet),
            let note = text(1, RepairRequest.noteBytesMax, packet)
        else { return nil }
        var request = RepairRequest(
            header: header(in: packet), from: time(32, packet), to: time(40, packet),
            reason: .repair, requester: requester, note: note)
        request.reason = packet.uint8(at: body + 48)
        return request
    }

    // MARK: parts

    /// Returns where the bytes of a variable field are. The cursor has checked that the packet
    /// holds them.
    func variable(_ index: Int, in packet: RawSpan) -> Range<Int> {
        var offset = body + blockLength
        for _ in 0..<index {
            offset += WireFormat.lengthBytes + Int(packet.uint32(at: offset))
        }
        let start = offset + WireFormat.lengthBytes
        return start..<start + Int(packet.uint32(at: offset))
    }

    /// Returns the text; `nil` when it is longer than a builder accepts.
    private func text(_ index: Int, _ bytesMax: Int, _ packet: RawSpan) -> String? {
        let field = variable(index, in: packet)
        return field.count <= bytesMax ? packet.extracting(field).text : nil
    }
}

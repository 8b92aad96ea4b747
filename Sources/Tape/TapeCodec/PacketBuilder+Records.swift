public import MarketModel
internal import Primitives

/// The result of appending a tick to a packet.
public enum AppendOutcome: Hashable, Sendable {
    case appended
    /// It has to wait for the next packet.
    case full
    /// It fits into no packet, so waiting does not help.
    case refused(FieldTooLong)
}

/// A field of variable length that is longer than its limit.
public struct FieldTooLong: Error, Hashable, Sendable, CustomStringConvertible {
    public let field: String
    public let bytes: Int
    public let bytesMax: Int

    public init(field: String, bytes: Int, bytesMax: Int) {
        self.field = field
        self.bytes = bytes
        self.bytesMax = bytesMax
    }

    public var description: String {
        "\(field) has \(bytes) bytes and at most \(bytesMax) fit on the tape; shorten or skip it"
    }
}

// The ticks with fields of variable length. Their provider time decides no window, so the packet's
// oldest time takes their receive time.
extension PacketBuilder {
    public mutating func append(_ news: NewsHeadline) -> AppendOutcome {
        let fields = [
            Field("provider", news.provider, NewsHeadline.providerBytesMax),
            Field("article", news.article, NewsHeadline.articleBytesMax),
            Field("headline", news.headline, NewsHeadline.headlineBytesMax),
            Field("extra", news.extra, NewsHeadline.extraBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.newsHeadline, WireFormat.Block.newsHeadline, news.header, fields
        ) { _, _ in }
    }

    public mutating func append(_ bulletin: NewsBulletin) -> AppendOutcome {
        let fields = [
            Field("text", bulletin.text, NewsBulletin.textBytesMax),
            Field("exchange", bulletin.exchange, NewsBulletin.exchangeBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.newsBulletin, WireFormat.Block.newsBulletin, bulletin.header,
            fields
        ) { buffer, body in
            unsafe buffer.put(UInt64(bulletin.kind), at: body + 32)
        }
    }

    public mutating func append(_ part: FundamentalPart) -> AppendOutcome {
        let fields = [
            Field("report", part.report, FundamentalPart.reportBytesMax),
            Field("content", part.content, FundamentalPart.contentBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.fundamentalPart, WireFormat.Block.fundamentalPart, part.header,
            fields
        ) { buffer, body in
            unsafe buffer.put(part.part, at: body + 32)
            unsafe buffer.put(part.parts, at: body + 36)
            unsafe buffer.put(part.documentBytes, at: body + 40)
        }
    }

    public mutating func append(_ indicator: IndicatorValue) -> AppendOutcome {
        let fields = [
            Field("name", indicator.name, IndicatorValue.nameBytesMax),
            Field("unit", indicator.unit, IndicatorValue.unitBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.indicatorValue, WireFormat.Block.indicatorValue,
            indicator.header, fields
        ) { buffer, body in
            unsafe buffer.put(indicator.value, at: body + 32)
            unsafe buffer.put(indicator.periodStart.nanoseconds, at: body + 48)
            unsafe buffer.put(indicator.periodEnd.nanoseconds, at: body + 56)
            unsafe buffer.put(UInt64(indicator.revision), at: body + 64)
        }
    }

    public mutating func append(_ record: SubscriptionRecord) -> AppendOutcome {
        let fields = [
            Field("provider", record.provider, SubscriptionRecord.providerBytesMax),
            Field(
                "previousProvider", record.previousProvider, SubscriptionRecord.providerBytesMax),
            Field("reason", record.reason, SubscriptionRecord.reasonBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.subscriptionRecord, WireFormat.Block.subscriptionRecord,
            record.header, fields
        ) { buffer, body in
            unsafe buffer.put(
                UInt64(record.action) | UInt64(record.kind) << 8 | UInt64(record.mode) << 16,
                at: body + 32)
        }
    }

    /// Appends a gap. It is treated as a tick at the gap's beginning: no watermark may pass that
    /// time before the gap is on the tape.
    public mutating func append(_ gap: GapRecord) -> AppendOutcome {
        let fields = [Field("detail", gap.detail, GapRecord.detailBytesMax)]
        let outcome = unsafe append(
            WireFormat.Template.gapRecord, WireFormat.Block.gapRecord, gap.header, fields
        ) { buffer, body in
            unsafe buffer.put(gap.from.nanoseconds, at: body + 32)
            unsafe buffer.put(gap.to.nanoseconds, at: body + 40)
            unsafe buffer.put(gap.firstOrdinal, at: body + 48)
            unsafe buffer.put(gap.lastOrdinal, at: body + 56)
            unsafe buffer.put(
                UInt64(gap.kind) | UInt64(gap.reason) << 8 | UInt64(gap.state) << 16,
                at: body + 64)
        }
        if outcome == .appended { oldest = min(oldest, gap.from) }
        return outcome
    }

    public mutating func append(_ request: RepairRequest) -> AppendOutcome {
        let fields = [
            Field("requester", request.requester, RepairRequest.requesterBytesMax),
            Field("note", request.note, RepairRequest.noteBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.repairRequest, WireFormat.Block.repairRequest, request.header,
            fields
        ) { buffer, body in
            unsafe buffer.put(request.from.nanoseconds, at: body + 32)
            unsafe buffer.put(request.to.nanoseconds, at: body + 40)
            unsafe buffer.put(UInt64(request.reason), at: body + 48)
        }
    }

    // MARK: parts

    private struct Field {
        let name: String
        let bytes: [UInt8]
        let bytesMax: Int

        init(_ name: String, _ text: String, _ bytesMax: Int) {
            self.init(name, Array(text.utf8), bytesMax)
        }

        init(_ name: String, _ bytes: [UInt8], _ bytesMax: Int) {
            self.name = name
            self.bytes = bytes
            self.bytesMax = bytesMax
        }
    }

    private mutating func append(
        _ template: UInt16, _ block: Int, _ header: TickHeader, _ fields: [Field],
        _ write: (UnsafeMutableRawBufferPointer, _ body: Int) -> Void
    ) -> AppendOutcome {
        var variableBytes = 0
        for field in fields {
            guard field.bytes.count <= field.bytesMax else {
                return .refused(
                    FieldTooLong(
                        field: field.name, bytes: field.bytes.count, bytesMax: field.bytesMax))
            }
            variableBytes += WireFormat.lengthBytes + field.bytes.count
        }
        guard let body = beginTick(template, block, header, variableBytes: variableBytes) else {
            return .full
        }
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe write(buffer, body)
            var offset = body + block
            for field in fields {
                unsafe buffer.put(UInt32(field.bytes.count), at: offset)
                unsafe buffer.put(field.bytes, at: offset + WireFormat.lengthBytes)
                offset += WireFormat.lengthBytes + field.bytes.count
            }
        }
        used += variableBytes
        counted(header.receiveTime)
        return .appended
    }
}

import MarketModel
import Primitives
import TapeProtocol

/// What the page Tape asks, as its parameters say it. Everything in these comes from outside.
struct TapeQuestion: Choosable {
    enum Input: String, Sendable { case ticks, bars }

    /// Where the reading begins.
    enum Seek: Hashable, Sendable {
        case beginning
        /// The newest packet.
        case newest
        /// The first packet that the tape stored at this time or later.
        case time(Timestamp)
        /// The packet with this ordinal of the source.
        case ordinal(UInt64)
        case sequence(UInt64)
    }

    static let plural = "places of the tape"
    /// The most packets of one answer.
    static let packetsMax = 16
    static let path = "/tape.json"
    /// The parameters that requests may have.
    static let parameters = ["input", "partition", "symbol", "source", "seek", "at", "count"]

    let input: Input
    let partition: Partition
    /// Of which alone ticks are listed. `nil`: of all.
    let symbol: Symbol?
    /// `nil`: packets of all sources of the partition.
    let source: SourceName?
    let seek: Seek
    let count: Int

    /// Old packets do not change, and the page asks until it has an answer.
    var intervalNanoseconds: Int64 { 1_000_000_000 }

    /// Reads parameters. `names` are those of the tape.
    init(_ parameters: [String: String], _ names: TapeNames) throws(QuestionRefusal) {
        guard let input = Input(rawValue: parameters["input"] ?? "ticks") else {
            throw QuestionRefusal("the page shows ticks or bars")
        }
        let name = parameters["symbol"] ?? ""
        let symbol = name.isEmpty ? nil : try QuestionRefusal.symbol(name)
        let source = try Self.source(parameters["source"] ?? "", of: input)
        let seek = try Self.seek(parameters["seek"] ?? "newest", parameters["at"] ?? "")
        if case .ordinal = seek, input == .ticks, source == nil {
            throw QuestionRefusal("ordinals count in one source and partition: name the source")
        }
        guard let count = Self.number(parameters["count"] ?? "1"),
            (1...UInt64(Self.packetsMax)).contains(count)
        else { throw QuestionRefusal("1 to \(Self.packetsMax) packets are shown") }
        partition =
            source == .universe
            ? TapeNames.universeHome
            : try Self.partition(parameters["partition"] ?? "", symbol, names)
        (self.input, self.symbol, self.source) = (input, symbol, source)
        (self.seek, self.count) = (seek, Int(count))
    }

    private static func source(
        _ text: String, of input: Input
    ) throws(QuestionRefusal) -> SourceName? {
        guard !text.isEmpty else { return nil }
        let source = try QuestionRefusal.source(text)
        switch input {
        case .ticks: return source
        case .bars:
            guard [.operator, .universe].contains(source) else {
                throw QuestionRefusal(
                    "bars are published by operator, and what is derived over all partitions by "
                        + "universe")
            }
            return source == .operator ? nil : source
        }
    }

    private static func seek(_ word: String, _ at: String) throws(QuestionRefusal) -> Seek {
        switch word {
        case "beginning": return .beginning
        case "newest": return .newest
        case "time": return .time(try QuestionRefusal.time(at))
        case "ordinal", "sequence":
            guard let number = number(at), number > 0 else {
                throw QuestionRefusal("an ordinal or a sequence is a number from 1 on")
            }
            return word == "ordinal" ? .ordinal(number) : .sequence(number)
        case _:
            throw QuestionRefusal("one seeks by newest, beginning, time, ordinal or sequence")
        }
    }

    private static func partition(
        _ text: String, _ symbol: Symbol?, _ names: TapeNames
    ) throws(QuestionRefusal) -> Partition {
        let computed = symbol.map { names.partition(of: $0) }
        guard !text.isEmpty else {
            guard let computed else { throw QuestionRefusal("name a symbol or a partition") }
            return computed
        }
        guard let number = number(text), number < UInt64(names.partitions) else {
            throw QuestionRefusal("a partition is a number from 0 to \(names.partitions - 1)")
        }
        let partition = Partition(Int(number))
        if let computed, let symbol, computed != partition {
            throw QuestionRefusal(
                "\(symbol.text.prefix(40)) is in partition \(computed), and not in \(partition)")
        }
        return partition
    }

    private static func number(_ text: String) -> UInt64? {
        guard !text.isEmpty, text.utf8.count <= 20,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return UInt64(text)
    }

    // MARK: where it is on the tape

    func stream(_ names: TapeNames) -> String {
        switch input {
        case .ticks: names.tickStream(of: partition)
        case .bars: names.barStream
        }
    }

    /// A filter, where several sources are wanted.
    func subject(_ names: TapeNames) -> String {
        switch input {
        case .ticks: source.map { names.ticks(partition, $0) } ?? names.ticks(partition)
        case .bars: source == .universe ? names.universeValues : names.bars(partition)
        }
    }
}

import MarketModel
import Membership
import Primitives
import TapeKeeping
import TapeProtocol
import TapeTransport

/// A bucket with values that cannot be made again. The other two have none: that of the owners
/// holds ownership, and that of the operators holds checkpoints of the tape and requests about it.
/// On a new tape both are wrong.
enum SmallBucket: String, CaseIterable, Sendable {
    case sources, groups

    func name(_ names: TapeNames) -> String {
        switch self {
        case .sources: names.sourceBucket
        case .groups: names.groupBucket
        }
    }
}

/// What a key of a bucket holds, and whether an export has it. Pure.
enum BucketKey: Equatable, Sendable {
    /// An export has its value, and an import puts it back.
    case kept(Kind)
    /// A service makes it again. An earlier value would be wrong on another tape.
    case madeAgain(MadeAgain)
    /// This release does not know it.
    case unknown

    enum Kind: Hashable, Sendable {
        /// People's changes of a source's instruments.
        case watchlist(SourceName)
        /// What was loaded of a provider's past into a source.
        case loads(SourceName)
        /// The gaps of a source in a partition that wait to be filled.
        case gaps(SourceName, Partition)
        /// A group for which the tape keeps what it has not read.
        case group(GroupName)
        /// The highest timeline of the database that any writer has seen.
        case server

        /// The name in files and reports.
        var word: String {
            switch self {
            case .watchlist: "watchlists"
            case .loads: "loads"
            case .gaps: "gaps"
            case .group: "groups"
            case .server: "database_server"
            }
        }

        static let words = ["watchlists", "loads", "gaps", "groups", "database_server"]
    }

    enum MadeAgain: Equatable, Sendable {
        /// Ordinals and epochs of a source. `position raise` takes them from the database, which
        /// knows newer ones than any export.
        case sourceRecord
        /// The gateway's report about its instruments, which it writes when it starts.
        case report
        /// What a group has read of the former tape. On a new tape, the keeper would take later
        /// packets for read, and purge them.
        case positions
        /// How far a copy of a former stream was verified.
        case verification
    }

    init(_ key: String, in bucket: SmallBucket, partitions: Int) {
        let tokens = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        switch bucket {
        case .sources: self = Self.ofSource(tokens, partitions) ?? .unknown
        case .groups: self = Self.ofGroup(tokens) ?? .unknown
        }
    }

    private static func ofSource(_ tokens: [String], _ partitions: Int) -> BucketKey? {
        guard (3...4).contains(tokens.count), let source = SourceName(tokens[1]) else { return nil }
        if tokens.count == 4 {
            guard tokens[0] == "gateway", tokens[2] == "gaps", let number = Int(tokens[3]),
                String(number) == tokens[3], (0..<partitions).contains(number)
            else { return nil }
            return .kept(.gaps(source, Partition(number)))
        }
        let known: [[String]: BucketKey] = [
            ["watchlist", "wanted"]: .kept(.watchlist(source)),
            ["load", "ranges"]: .kept(.loads(source)),
            ["gateway", "record"]: .madeAgain(.sourceRecord),
            ["gateway", "watchlist"]: .madeAgain(.report),
        ]
        return known[[tokens[0], tokens[2]]]
    }

    private static func ofGroup(_ tokens: [String]) -> BucketKey? {
        if tokens.count == 2, tokens[1] == "database", GroupName(tokens[0])?.isStore == true {
            return .kept(.server)
        }
        if tokens.count == 4, tokens[1] == "intents", GroupName(tokens[0])?.isStore == true,
            ReaderPosition.Input(rawValue: tokens[2]) != nil, Int(tokens[3]) != nil
        {
            return .madeAgain(.positions)
        }
        if tokens[0] == "verified", tokens.count > 2 { return .madeAgain(.verification) }
        guard tokens[0] == "group", tokens.count > 1, let group = GroupName(tokens[1]) else {
            return nil
        }
        if tokens.count == 2 { return .kept(.group(group)) }
        guard tokens.count == 4, ReaderPosition.Input(rawValue: tokens[2]) != nil,
            Int(tokens[3]) != nil
        else { return nil }
        return .madeAgain(.positions)
    }
}

extension BucketKey.Kind {
    /// Why this release cannot use the value; `nil` if it can.
    func problem(of value: [UInt8]) -> VersionedJSON.Refusal? {
        do throws(VersionedJSON.Refusal) {
            switch self {
            case .watchlist: _ = try Watchlist(json: value)
            case .loads: _ = try SourceLoads(json: value)
            case .gaps: _ = try WaitingGaps(json: value)
            case .group(let group): return RegisteredGroup.problem(of: group, json: value)
            case .server: _ = try DatabaseServer(json: value)
            }
            return nil
        } catch {
            return error
        }
    }
}

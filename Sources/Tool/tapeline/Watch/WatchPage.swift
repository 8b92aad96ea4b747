/// What of a deployment is on the screen: all of it, or one part in whole.
enum WatchPage: Character, CaseIterable, Sendable {
    case all = "0"
    case way = "1"
    case processes = "2"
    case services = "3"
    case tape = "4"
    case gaps = "5"

    var title: String {
        switch self {
        case .all: "all"
        case .way: "way"
        case .processes: "processes"
        case .services: "services"
        case .tape: "tape"
        case .gaps: "gaps"
        }
    }

    static let help = allCases.map { "\($0.rawValue) \($0.title)" }.joined(separator: "  ")
}

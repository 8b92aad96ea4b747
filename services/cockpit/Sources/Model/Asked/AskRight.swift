/// Whether people may ask the database from the pages.
enum AskRight: Equatable, Sendable {
    case off
    /// All who reach the pages are of this machine.
    case machine
    /// Others reach the pages, too: who asks has to be known.
    case known

    /// Who asks, by the name under which questions are counted; the people of this machine have
    /// none.
    enum Asker: Equatable, Sendable {
        case person(String)
        case refused(status: Int, reason: String)
    }

    func asker(_ visitor: Sessions.Visitor?) -> Asker {
        if self == .off {
            return .refused(status: 403, reason: "SQL is switched off (COCKPIT_SQL)")
        }
        if case .person(let name) = visitor { return .person(name) }
        return self == .machine
            ? .person("") : .refused(status: 401, reason: "say who you are first: sign in")
    }
}

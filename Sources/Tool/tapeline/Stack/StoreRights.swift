import Membership

/// What NATS allows each of several stores, as text of its configuration: the shipped file has the
/// user of the store that every deployment has, and each further store gets one like it.
///
/// A store's writers may write its ownership, heartbeats, positions and letters, and those of no
/// other one. The gateway may write every group except those that are denied to it by name.
struct StoreRights {
    /// The stores beside the usual one.
    let further: [GroupName]

    /// Returns the user as which a store's writers connect: `writer`, or `writer-b` for `store-b`.
    static func user(of store: GroupName) -> String {
        "\(shippedUser)\(store.text.dropFirst(GroupName.store.text.count))"
    }

    /// Returns the variable of the configuration that has the user's password.
    static func passwordVariable(of store: GroupName) -> String {
        "NATS_\(user(of: store).uppercased().replacing("-", with: "_"))_PASSWORD"
    }

    private static let shippedUser = "writer"
    /// Users stand at this depth.
    private static let (open, close) = ("            {", "            }")
    private static let deny = #""*.hb.store.*""#

    /// Returns the configuration with a user for each store. Throws when the text is not like the
    /// shipped one, because a store without its denial could be written by the gateway.
    func configuration(shipped: String) throws(ToolError) -> String {
        guard !further.isEmpty else { return shipped }
        var lines = shipped.split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
        guard let name = lines.firstIndex(where: { $0.hasSuffix(" user: \(Self.shippedUser)") }),
            let start = lines[..<name].lastIndex(of: Self.open),
            let end = lines[name...].firstIndex(of: Self.close),
            let denial = lines[..<start].lastIndex(where: { $0.hasSuffix(Self.deny) })
        else {
            throw .refused(
                "the configuration of NATS has no user \(Self.shippedUser) and no denial to the "
                    + "gateway as the shipped one: the rights of \(further[0]) cannot be added")
        }
        let known = further.first { store in
            lines.contains { $0.hasSuffix(" user: \(Self.user(of: store))") }
        }
        if let known { throw .refused("the configuration of NATS has a user of \(known)") }
        let block = lines[start...end]
        lines.insert(
            contentsOf: further.flatMap { store in block.map { Self.line($0, of: store) } },
            at: end + 1)
        let indent = String(lines[denial].prefix { $0 == " " })
        lines.insert(
            contentsOf: further.map { "\(indent)\"$KV.*.\($0).>\", \"*.hb.\($0).*\"" },
            at: denial + 1)
        return lines.joined(separator: "\n")
    }

    /// Returns a line of the usual store's user as that of another store.
    private static func line(_ line: String, of store: GroupName) -> String {
        line.replacing(passwordVariable(of: .store), with: passwordVariable(of: store))
            .replacing("user: \(shippedUser)", with: "user: \(user(of: store))")
            .replacing("_INBOX_\(shippedUser).", with: "_INBOX_\(user(of: store)).")
            .replacing(".\(GroupName.store).", with: ".\(store).")
            .replacing(".\(GroupName.store)\"", with: ".\(store)\"")
    }
}

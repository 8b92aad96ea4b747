/// The access of a program to NATS, as the user `consumer`: to what is published live, and to the
/// tape by consumers of its own.
struct ConsumerAccess: Equatable, Sendable {
    let port: UInt16
    /// The file with the password, of mode 0600. A URL of NATS cannot name it.
    let passwordFile: String
    let password: String
}

extension ConsumerAccess {
    init(_ stack: Stack) throws(ToolError) {
        self.init(
            port: try StackPorts.present(stack.home)[.nats],
            passwordFile: stack.home.secret(StackSecrets.Name.natsConsumer.rawValue),
            password: try StackSecrets.open(stack.home)[.natsConsumer])
    }

    func url(withPassword: Bool) -> String {
        let user = StackPlan.natsConsumer + (withPassword ? ":\(password)" : "")
        return "nats://\(user)@\(StackPlan.loopback):\(port)"
    }
}

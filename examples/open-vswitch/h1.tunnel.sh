# The second half: the tunnel, and the on-link route without which the kernel knows no way to the other br1's subnet.
ovs-vsctl add-port br1 vx1 -- set interface vx1 type=vxlan options:remote_ip=192.168.146.136
ip route add 10.0.1.0/24 dev br1

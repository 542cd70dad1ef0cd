# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The ceiling beside the servers under measurement: nfs_ceiling, the receive engine
# without Ganesha and without files. Used by nfs-fio.

import os

from rpcbuf_nfs.fio import DATA
from rpcbuf_nfs.server import Served


class Ceiling(Served):
    program = "nfs_ceiling"

    def _command(self, serve, directory):
        size = os.path.getsize(os.path.join(directory, DATA))
        return [serve, self.network.address, str(self.port), str(size)]

    def _urls(self):
        return [f"nfs://{self.network.address}/x?nfsport={self.port}"
                f"&mountport={self.port}"]

    def _check_form(self):
        pass
